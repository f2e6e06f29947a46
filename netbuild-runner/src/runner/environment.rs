//! The environment of the command: made from nothing, so that none of the runner's own reaches it.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::Path;

use netbuild_core::model::{AttemptFolder, Cause, Failure, Job};
use secrecy::ExposeSecret;

/// Where programs are looked for when the runner itself was started without a `PATH`.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the environment is made of beside the job.
#[derive(Clone, Debug)]
pub(super) struct Surroundings<'a> {
    /// The runner's own `PATH`.
    pub(super) path: Option<OsString>,
    /// The home folder of the command.
    pub(super) home: &'a Path,
    /// Its folder for temporary files.
    pub(super) temporary: &'a Path,
    /// The commit that was fetched.
    pub(super) commit: &'a str,
    /// The value of [`AttemptFolder::COOKIE`].
    pub(super) cookie: &'a str,
}

/// The command's variables: netbuild's own, over them the job's plain ones, over them its secrets. Only the cookie, by
/// which stray processes are found, cannot be replaced.
///
/// # Errors
/// [`Cause::SpecInvalid`] for a name that no environment can hold.
pub(super) fn environment(job: &Job, around: &Surroundings<'_>) -> Result<BTreeMap<OsString, OsString>, Failure> {
    let mut variables: BTreeMap<OsString, OsString> = BTreeMap::new();
    let mut set = |name: &str, value: &dyn AsRef<std::ffi::OsStr>| {
        variables.insert(name.into(), value.as_ref().to_owned());
    };
    set("PATH", &around.path.clone().unwrap_or_else(|| DEFAULT_PATH.into()));
    set("HOME", &around.home);
    set("TMPDIR", &around.temporary);
    set("LANG", &"C.UTF-8");
    set("CI", &"true");
    set("NETBUILD", &"true");
    set("NETBUILD_BUILD_ID", &job.attempt.build.build.to_string());
    set("NETBUILD_COMMIT", &around.commit);
    for (name, value) in &job.env {
        check(name, value)?;
        set(name, value);
    }
    for (name, value) in &job.secrets {
        check(name, value.expose_secret())?;
        set(name, &value.expose_secret());
    }
    set(AttemptFolder::COOKIE, &around.cookie);
    Ok(variables)
}

fn check(name: &str, value: &str) -> Result<(), Failure> {
    if name.is_empty() || name.contains(['=', '\0']) {
        return Err(Failure::new(
            Cause::SpecInvalid,
            format!("{name:?} cannot be the name of an environment variable"),
        ));
    }
    if value.contains('\0') {
        return Err(Failure::new(Cause::SpecInvalid, format!("the variable {name} holds a NUL byte")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use secrecy::SecretString;

    use super::*;
    use crate::runner::samples;

    fn around() -> Surroundings<'static> {
        Surroundings {
            path: Some("/opt/bin".into()),
            home: Path::new("/a/home"),
            temporary: Path::new("/a/tmp"),
            commit: "c0ffee",
            cookie: "nb-1.1",
        }
    }

    fn text(job: &Job, name: &str) -> Option<String> {
        environment(job, &around()).unwrap().get(std::ffi::OsStr::new(name)).map(|it| it.to_str().unwrap().to_owned())
    }

    #[test]
    fn later_layers_replace_earlier_ones_but_never_the_cookie() {
        let mut job = samples::job();
        job.env = [("LANG", "de_DE"), ("KEY", "plain"), ("NETBUILD_ATTEMPT", "none")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        job.secrets = [("KEY".to_owned(), SecretString::from("secret"))].into();
        let table = [
            ("PATH", "/opt/bin"),
            ("HOME", "/a/home"),
            ("TMPDIR", "/a/tmp"),
            ("LANG", "de_DE"),
            ("CI", "true"),
            ("NETBUILD", "true"),
            ("NETBUILD_COMMIT", "c0ffee"),
            ("KEY", "secret"),
            ("NETBUILD_ATTEMPT", "nb-1.1"),
        ];
        for (name, value) in table {
            assert_eq!(text(&job, name).as_deref(), Some(value), "{name}");
        }
        let token = job.gateway.token.expose_secret();
        assert!(environment(&job, &around()).unwrap().values().all(|value| value.to_str() != Some(token)));
    }

    #[test]
    fn without_a_path_the_common_folders_are_searched() {
        let around = Surroundings { path: None, ..around() };
        let variables = environment(&samples::job(), &around).unwrap();
        assert_eq!(variables[std::ffi::OsStr::new("PATH")], DEFAULT_PATH);
    }

    #[test]
    fn names_that_no_environment_holds_are_refused() {
        for (name, value) in [("", "x"), ("A=B", "x"), ("A\0", "x"), ("A", "x\0y")] {
            let mut job = samples::job();
            job.env = [(name.to_owned(), value.to_owned())].into();
            assert_eq!(environment(&job, &around()).unwrap_err().cause, Cause::SpecInvalid, "{name:?}");
        }
    }
}
