//! The command line, checked as a whole before anything is done.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use netbuild_core::log::MIN_SECRET_BYTES;
use netbuild_core::model::{AccountId, ProjectId, PublishPath, RepositoryUrl, Revision};
use secrecy::{ExposeSecret, SecretString};

/// What the quickstart was asked to do. `Debug` shows no secret: secrets are kept as such, and a URL with credentials is
/// refused.
#[derive(Debug)]
pub(crate) struct Args {
    /// What to build.
    pub(crate) work: Work,
    /// The account that asks.
    pub(crate) account: AccountId,
    /// The project to deploy.
    pub(crate) project: ProjectId,
    /// Where ledger, workspaces and logs are kept; `None` for a new folder.
    pub(crate) state: Option<PathBuf>,
    /// The folder that deploys go to; `None` for one in the state's folder.
    pub(crate) origin: Option<PathBuf>,
    /// The longest run of a build; `None` for the default.
    pub(crate) timeout: Option<Duration>,
    /// The time between TERM and KILL; `None` for the default.
    pub(crate) grace: Option<Duration>,
    /// How long a runner works on without an answer; `None` for the default.
    pub(crate) lease: Option<Duration>,
    /// Whether other processes may work in the state's folder at the same time.
    pub(crate) shared: bool,
    /// Whether the result is one JSON object.
    pub(crate) json: bool,
}

/// What to build.
#[derive(Debug)]
pub(crate) enum Work {
    /// Both commits of the demo site.
    Demo,
    /// A revision of a repository.
    Repository(Request),
}

/// One build of somebody's repository.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) repository: RepositoryUrl,
    pub(crate) revision: Revision,
    pub(crate) command: String,
    pub(crate) publish: Option<PublishPath>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) secrets: BTreeMap<String, SecretString>,
}

/// Builds a repository and deploys what it publishes, all in this one process. Without options it makes a small site
/// with two commits and builds both.
#[derive(Parser)]
#[command(name = "quickstart", version)]
struct Raw {
    /// The repository: an https, http or file URL, or the path of a local one.
    #[arg(long, value_name = "URL|PATH", requires = "command", value_parser = opaque)]
    repo: Option<SecretString>,
    /// The branch, tag or full commit id.
    #[arg(long = "ref", value_name = "REF", default_value = "HEAD", value_parser = Revision::parse)]
    revision: Revision,
    /// What to run in the source's folder, by `/bin/sh -c`.
    #[arg(long, requires = "repo")]
    command: Option<String>,
    /// The folder to deploy, relative to the source's folder. Without it nothing is deployed.
    #[arg(long, value_name = "FOLDER", requires = "repo", value_parser = PublishPath::parse)]
    publish: Option<PublishPath>,
    /// Where deploys go: a file URL or a path. Without it a folder in the state's folder.
    #[arg(long, value_name = "URL", value_parser = origin)]
    origin: Option<PathBuf>,
    /// Where to keep the ledger, workspaces and logs. The same folder again goes on where a killed run stopped. Without
    /// it a new temporary folder.
    #[arg(long, value_name = "DIR", value_parser = absolute)]
    state: Option<PathBuf>,
    /// A plain environment variable of the command. May be repeated.
    #[arg(long, value_name = "NAME=VALUE", requires = "repo", value_parser = variable)]
    env: Vec<(String, String)>,
    /// A secret environment variable of the command, masked in its log; NAME alone takes the value from this program's
    /// own environment, where other users of the machine cannot see it. May be repeated.
    #[arg(long, value_name = "NAME=VALUE|NAME", requires = "repo", value_parser = opaque)]
    secret: Vec<SecretString>,
    /// The account that asks.
    #[arg(long, default_value = "demo")]
    account: AccountId,
    /// The project to deploy.
    #[arg(long, default_value = "site")]
    project: ProjectId,
    /// The longest run of a build, for example 90s, 10m or 1h. Without it 30 minutes.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    timeout: Option<Duration>,
    /// The time between TERM and KILL when a build is cancelled or too long. Without it 10 seconds.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    grace: Option<Duration>,
    /// How long a runner works on without an answer from this program. Without it 60 seconds.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    lease: Option<Duration>,
    /// Let other quickstarts work in the same --state at the same time: one leads, and another follows when it dies.
    #[arg(long, requires = "state")]
    shared: bool,
    /// Print the result as one JSON object, the last line of standard output.
    #[arg(long)]
    json: bool,
}

impl Args {
    /// Reads the arguments (the program's name first); `own_env` looks a variable of this program up.
    ///
    /// # Errors
    /// An error or a help text of [`clap`], ready to print. It repeats neither secrets nor a URL with credentials.
    pub(crate) fn parse_from(
        arguments: impl IntoIterator<Item = impl Into<OsString> + Clone>,
        own_env: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, clap::Error> {
        let raw = Raw::try_parse_from(arguments)?;
        let invalid = |message: String| Raw::command().error(ErrorKind::ValueValidation, message);
        let work = match (raw.repo, raw.command) {
            (Some(repo), Some(command)) => {
                let repository = repository(repo.expose_secret()).map_err(invalid)?;
                let secrets = secrets(&raw.secret, own_env).map_err(invalid)?;
                let env = distinct(raw.env, &secrets).map_err(invalid)?;
                let (revision, publish) = (raw.revision, raw.publish);
                Work::Repository(Request { repository, revision, command, publish, env, secrets })
            }
            _ => Work::Demo,
        };
        let Raw { account, project, state, origin, timeout, grace, lease, shared, json, .. } = raw;
        Ok(Args { work, account, project, state, origin, timeout, grace, lease, shared, json })
    }
}

/// Takes a text as it is. clap repeats the values that its own parsers refuse; these may hold secrets, so they are
/// checked later.
fn opaque(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

fn repository(text: &str) -> Result<RepositoryUrl, String> {
    if text.contains("://") {
        return RepositoryUrl::parse(text).map_err(|error| format!("--repo: {error}"));
    }
    let path = Path::new(text).canonicalize().map_err(|error| {
        format!(
            "--repo: there is no repository here: {error}; give a URL (https://…) or the path of a local repository"
        )
    })?;
    if !path.is_dir() {
        return Err("--repo: this is a file; give the folder of a repository".to_owned());
    }
    let shown = path.display();
    let unusual = |error| format!("--repo: {shown} cannot be a URL: {error}; move the repository or link to it");
    RepositoryUrl::from_path(path.to_str().ok_or("--repo: the path is not UTF-8")?).map_err(unusual)
}

fn origin(text: &str) -> Result<PathBuf, String> {
    match text.split_once("://") {
        None => absolute(text),
        Some(("file", path)) if path.starts_with('/') => Ok(PathBuf::from(path)),
        Some(_) => Err("this example keeps deploys in a folder: give file:///PATH or a path".to_owned()),
    }
}

fn absolute(text: &str) -> Result<PathBuf, String> {
    std::path::absolute(text).map_err(|error| error.to_string())
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if is_name(name) => Ok((name.to_owned(), value.to_owned())),
        _ => Err(format!("give NAME=VALUE; {NAME_RULE}")),
    }
}

const NAME_RULE: &str = "a variable's name has ASCII letters, digits and _, and does not begin with a digit";

fn is_name(text: &str) -> bool {
    !text.starts_with(|c: char| c.is_ascii_digit())
        && !text.is_empty()
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// The secrets by name. Errors name them by their position: a text in the wrong place may be the secret itself.
fn secrets(
    given: &[SecretString],
    own_env: impl Fn(&str) -> Option<String>,
) -> Result<BTreeMap<String, SecretString>, String> {
    let mut secrets = BTreeMap::new();
    for (at, text) in (1..).zip(given) {
        let (name, value) = match text.expose_secret().split_once('=') {
            Some((name, value)) => (name, Some(value.to_owned())),
            None => (text.expose_secret(), own_env(text.expose_secret())),
        };
        if !is_name(name) {
            return Err(format!("--secret number {at}: give NAME=VALUE or NAME; {NAME_RULE}"));
        }
        let value = value.ok_or(format!("--secret number {at}: no value, and no variable of that name is set here"))?;
        if value.len() < MIN_SECRET_BYTES {
            return Err(format!(
                "--secret number {at}: the value has less than {MIN_SECRET_BYTES} bytes and could not be masked in logs"
            ));
        }
        if secrets.insert(name.to_owned(), SecretString::from(value)).is_some() {
            return Err(format!("--secret number {at}: the same name was given before"));
        }
    }
    Ok(secrets)
}

fn distinct(
    given: Vec<(String, String)>,
    secrets: &BTreeMap<String, SecretString>,
) -> Result<BTreeMap<String, String>, String> {
    let mut env = BTreeMap::new();
    for (name, value) in given {
        if env.contains_key(&name) || secrets.contains_key(&name) {
            return Err(format!("--env {name}: the same name was given before"));
        }
        env.insert(name, value);
    }
    Ok(env)
}

/// A time with its unit; seconds without one. From a second to a day.
fn duration(text: &str) -> Result<Duration, String> {
    let (digits, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let factor = match unit {
        "" | "s" => 1,
        "m" => 60,
        "h" => 3600,
        _ => return Err("give a number with s, m or h, for example 90s".to_owned()),
    };
    match digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor)) {
        Some(seconds @ 1..=86_400) => Ok(Duration::from_secs(seconds)),
        _ => Err("give a time from 1s to 24h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Args, clap::Error> {
        let own_env = |name: &str| (name == "FROM_HERE").then(|| "canary-own".to_owned());
        Args::parse_from([&["quickstart"], arguments].concat(), own_env)
    }

    fn refusal(arguments: &[&str]) -> String {
        parse(arguments).unwrap_err().to_string()
    }

    #[test]
    fn without_arguments_it_is_the_demo() {
        let args = parse(&[]).unwrap();
        assert!(matches!(args.work, Work::Demo));
        assert!(args.state.is_none() && !args.json);
    }

    #[test]
    fn a_full_command_line_is_read() {
        let line = "--repo https://git.example/r --ref v1 --command make --publish out --origin file:///srv/o \
                    --state s --env A=1=2 --secret B=canary --secret FROM_HERE --timeout 5m --account a --project p --json";
        let args = parse(&line.split_whitespace().collect::<Vec<_>>()).unwrap();
        assert!(!format!("{args:?}").contains("canary"), "{args:?}");
        let Work::Repository(request) = args.work else { panic!("a repository was given") };
        assert_eq!(request.repository.as_str(), "https://git.example/r");
        assert_eq!(request.revision, Revision::Ref("v1".to_owned()));
        assert_eq!(request.env["A"], "1=2");
        assert_eq!(request.secrets["B"].expose_secret(), "canary");
        assert_eq!(request.secrets["FROM_HERE"].expose_secret(), "canary-own");
        assert_eq!(request.publish.unwrap().as_str(), "out");
        assert_eq!(args.origin, Some(PathBuf::from("/srv/o")));
        assert!(args.state.unwrap().is_absolute());
        assert_eq!(args.timeout, Some(Duration::from_secs(300)));
        assert!(args.json);
    }

    #[test]
    fn a_path_becomes_a_file_url() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().canonicalize().unwrap();
        let args = parse(&["--repo", folder.path().to_str().unwrap(), "--command", "true"]).unwrap();
        let Work::Repository(request) = args.work else { panic!("a repository was given") };
        assert_eq!(request.repository.file_path().as_deref(), path.to_str());
        let file = path.join("file");
        std::fs::write(&file, "").unwrap();
        assert!(refusal(&["--repo", file.to_str().unwrap(), "--command", "x"]).contains("give the folder"));
        let spaced = path.join("a b");
        std::fs::create_dir(&spaced).unwrap();
        let args = parse(&["--repo", spaced.to_str().unwrap(), "--command", "x"]).unwrap();
        let Work::Repository(request) = args.work else { panic!("a repository was given") };
        assert_eq!(request.repository.file_path().as_deref(), spaced.to_str());
    }

    #[test]
    fn refusals_say_what_to_give() {
        let repo = ["--repo", "https://git.example/r", "--command", "x"];
        let with = |more: &[&'static str]| refusal(&[&repo[..], more].concat());
        assert!(refusal(&["--repo", "https://git.example/r"]).contains("--command"));
        assert!(refusal(&["--command", "x"]).contains("--repo"));
        assert!(refusal(&["--env", "A=1"]).contains("--repo"));
        assert!(refusal(&["--repo", "/no/such/folder", "--command", "x"]).contains("path of a local repository"));
        assert!(refusal(&["--repo", "git://git.example/r", "--command", "x"]).contains("use https://"));
        assert!(with(&["--ref", "a..b"]).contains("valid ref"));
        assert!(with(&["--publish", "/etc"]).contains("relative"));
        assert!(with(&["--origin", "s3://bucket"]).contains("file:///"));
        assert!(with(&["--env", "1A=x"]).contains("digit"));
        assert!(with(&["--env", "A=1", "--env", "A=2"]).contains("given before"));
        assert!(with(&["--env", "A=1", "--secret", "A=2222"]).contains("given before"));
        assert!(with(&["--secret", "A=1111", "--secret", "A=2222"]).contains("number 2"));
        assert!(with(&["--secret", "A=123"]).contains("could not be masked"));
        for time in ["0s", "25h", "9d", "99999999999999999999", "m"] {
            assert!(with(&["--timeout", time]).contains("give a"), "{time}");
        }
    }

    #[test]
    fn a_refusal_repeats_no_secret() {
        let repo = ["--repo", "https://git.example/r", "--command", "x"];
        for secret in ["1A=canary", "canary", "=canary", "A b=canary"] {
            let text = refusal(&[&repo[..], &["--secret", secret]].concat());
            assert!(text.contains("--secret number 1") && !text.contains("canary"), "{text}");
        }
        let text = refusal(&["--repo", "https://user:canary@git.example/r", "--command", "x"]);
        assert!(text.contains("take them out") && !text.contains("canary"), "{text}");
    }
}
