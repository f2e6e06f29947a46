//! The container of an attempt: a function of the request and the settings.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HealthConfig, HostConfig, HostConfigLogConfig, Mount, MountType, MountVolumeOptions,
    RestartPolicy, RestartPolicyNameEnum,
};
use netbuild_core::model::{Cause, Failure, Job};
use netbuild_core::port::StartRequest;

use super::host::Capacity;
use super::labels::{EXECUTOR, Labels, helper};
use super::options::{DockerOptions, Isolation, Network};

/// The attempt's folder in its container: a volume of its own, which is removed with the container.
pub(super) const FOLDER: &str = "/netbuild";
/// Where the runner is in each container: a volume that all share and none can write.
pub(super) const RUNNER_FOLDER: &str = "/netbuild-runner";
/// The runner's file there.
pub(super) const RUNNER: &str = "netbuild-runner";
/// The name of the image of nothing.
pub(super) const EMPTY_IMAGE: &str = "netbuild-empty";

/// What the runner keeps of root's capabilities: it reads and gives away files, becomes the command's user, and ends that
/// user's processes. The command, which runs as another user, has none of them.
const CAPABILITIES: [&str; 6] = ["CHOWN", "DAC_OVERRIDE", "FOWNER", "KILL", "SETGID", "SETUID"];

/// What the runner itself prints is evidence when it breaks, and little.
const OUTPUT_BYTES: &str = "256k";

/// The image of a build.
pub(super) fn image(request: &StartRequest, options: &DockerOptions) -> Result<String, Failure> {
    let image = request.build.spec.image.clone().or_else(|| options.image.clone());
    image.ok_or_else(|| {
        let text = "the build names no image, and the executor has none for such builds: set `image`";
        Failure::new(Cause::ImageInvalid, text)
    })
}

/// What a build reserves.
pub(super) fn reserved(request: &StartRequest, options: &DockerOptions) -> Capacity {
    let wanted = request.build.spec.resources;
    Capacity {
        slots: 1,
        memory_bytes: wanted.memory_bytes.unwrap_or(options.resources.memory_bytes),
        cpu_millis: wanted.cpu_millis.map_or(options.resources.cpu_millis, u64::from),
    }
}

/// The job as the runner in a container gets it.
pub(super) fn job(request: &StartRequest, image: &str, options: &DockerOptions) -> Job {
    let mut job = request.job.clone();
    job.image = Some(image.to_owned());
    job.user = Some(options.isolation.user);
    // The system counts a user's processes over all containers. Here the control group bounds them, each by itself.
    job.rules.processes = u64::MAX;
    job
}

/// The container of an attempt.
pub(super) fn attempt(
    request: &StartRequest,
    image: &str,
    runner_volume: &str,
    options: &DockerOptions,
) -> ContainerCreateBody {
    let reserved = reserved(request, options);
    let labels = Labels { attempt: request.job.attempt.clone(), reserved };
    let folder = Mount {
        target: Some(FOLDER.to_owned()),
        typ: Some(MountType::VOLUME),
        volume_options: Some(MountVolumeOptions {
            no_copy: Some(true),
            labels: Some([(EXECUTOR.to_owned(), options.label.clone())].into()),
            ..MountVolumeOptions::default()
        }),
        ..Mount::default()
    };
    ContainerCreateBody {
        image: Some(image.to_owned()),
        entrypoint: Some(vec![format!("{RUNNER_FOLDER}/{RUNNER}"), RUNNER.to_owned(), FOLDER.to_owned()]),
        user: Some("0:0".to_owned()),
        working_dir: Some("/".to_owned()),
        labels: Some(labels.write(&options.label)),
        // That of the image would run in the build's place and time.
        healthcheck: Some(HealthConfig { test: Some(vec!["NONE".to_owned()]), ..HealthConfig::default() }),
        host_config: Some(HostConfig {
            mounts: Some(vec![folder, runner_mount(runner_volume, true)]),
            ..host_config(reserved, &options.isolation)
        }),
        ..ContainerCreateBody::default()
    }
}

fn host_config(reserved: Capacity, isolation: &Isolation) -> HostConfig {
    let text = |text: &str| text.to_owned();
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    let tmp = format!("rw,nosuid,nodev,mode=1777,size={}", isolation.tmp_bytes);
    HostConfig {
        cap_drop: Some(vec![text("ALL")]),
        cap_add: Some(CAPABILITIES.map(text).into()),
        security_opt: Some(vec![text("no-new-privileges:true")]),
        privileged: Some(false),
        readonly_rootfs: Some(!isolation.writable_root),
        tmpfs: Some(HashMap::from([(text("/tmp"), tmp)])),
        memory: Some(number(reserved.memory_bytes)),
        // The same as without swap: a build that swaps slows the whole host.
        memory_swap: Some(number(reserved.memory_bytes)),
        nano_cpus: Some(number(reserved.cpu_millis.saturating_mul(1_000_000))),
        pids_limit: Some(i64::from(isolation.processes)),
        network_mode: Some(match &isolation.network {
            Network::None => text("none"),
            Network::Named(name) => name.clone(),
        }),
        ipc_mode: Some(text("private")),
        // An attempt is never run a second time.
        restart_policy: Some(RestartPolicy { name: Some(RestartPolicyNameEnum::NO), maximum_retry_count: None }),
        log_config: Some(HostConfigLogConfig {
            typ: Some(text("json-file")),
            config: Some([("max-size", OUTPUT_BYTES), ("max-file", "1")].map(|(a, b)| (text(a), text(b))).into()),
        }),
        ..HostConfig::default()
    }
}

/// A container that is never started, through which the runner comes into its volume.
pub(super) fn carrier(runner_volume: &str, options: &DockerOptions) -> ContainerCreateBody {
    ContainerCreateBody {
        image: Some(EMPTY_IMAGE.to_owned()),
        cmd: Some(vec![RUNNER.to_owned()]),
        labels: Some(helper(&options.label)),
        host_config: Some(HostConfig {
            mounts: Some(vec![runner_mount(runner_volume, false)]),
            network_mode: Some("none".to_owned()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    }
}

fn runner_mount(volume: &str, read_only: bool) -> Mount {
    Mount {
        target: Some(RUNNER_FOLDER.to_owned()),
        source: Some(volume.to_owned()),
        typ: Some(MountType::VOLUME),
        read_only: Some(read_only),
        ..Mount::default()
    }
}

#[cfg(test)]
mod tests {
    use netbuild_core::model::AttemptNumber;
    use netbuild_core::testkit::conformance::executor::{TestCommand, request};
    use netbuild_core::testkit::fixtures;

    use super::*;

    fn a_request() -> StartRequest {
        let attempt = fixtures::build("acme", "site", 1).key().attempt(AttemptNumber::FIRST);
        request(&attempt, TestCommand::Succeed)
    }

    fn options() -> DockerOptions {
        DockerOptions { image: Some("node:22".to_owned()), ..DockerOptions::new("/runner") }
    }

    #[test]
    fn what_is_not_to_be_loosened_is_in_every_container() {
        let loose =
            Isolation { network: Network::Named("lan".to_owned()), writable_root: true, ..Isolation::default() };
        for options in [options(), DockerOptions { isolation: loose, ..options() }] {
            let body = attempt(&a_request(), "node:22", "runner-1", &options);
            let host = body.host_config.unwrap();
            assert_eq!(host.cap_drop.unwrap(), ["ALL"]);
            assert_eq!(host.security_opt.unwrap(), ["no-new-privileges:true"]);
            assert_eq!((host.privileged, host.binds, host.devices), (Some(false), None, None));
            assert_eq!((host.pid_mode, host.userns_mode, host.uts_mode, host.cgroupns_mode), (None, None, None, None));
            let mounts = host.mounts.unwrap();
            assert!(mounts.iter().all(|mount| mount.typ == Some(MountType::VOLUME)), "nothing of the host");
            assert_eq!((host.memory, host.memory_swap), (Some(2 << 30), Some(2 << 30)));
            assert_eq!((host.pids_limit, host.nano_cpus), (Some(4_096), Some(1_000_000_000)));
            assert_eq!(host.restart_policy.unwrap().name, Some(RestartPolicyNameEnum::NO));
        }
    }

    #[test]
    fn by_default_there_is_no_network_and_nothing_of_the_image_can_be_written() {
        let host = attempt(&a_request(), "node:22", "runner-1", &options()).host_config.unwrap();
        assert_eq!((host.network_mode.as_deref(), host.readonly_rootfs), (Some("none"), Some(true)));
    }

    #[test]
    fn no_secret_is_in_the_container() {
        let mut request = a_request();
        request.job.secrets.insert("KEY".to_owned(), "canary".into());
        request.job.gateway.token = "canary".into();
        let body = attempt(&request, "node:22", "runner-1", &options());
        assert!(!serde_json::to_string(&body).unwrap().contains("canary"));
        assert_eq!(body.env, None);
    }

    #[test]
    fn a_build_says_its_image_and_what_it_needs_or_the_executor_does() {
        let mut request = a_request();
        request.build = {
            let mut build = (*request.build).clone();
            build.spec.image = None;
            build.spec.resources = Default::default();
            build.into()
        };
        assert_eq!(image(&request, &options()).unwrap(), "node:22");
        assert_eq!(image(&request, &DockerOptions::new("/runner")).unwrap_err().cause, Cause::ImageInvalid);
        assert_eq!(reserved(&request, &options()), options().resources);
        let mut build = (*request.build).clone();
        build.spec.image = Some("rust:1".to_owned());
        build.spec.resources.memory_bytes = Some(5);
        build.spec.resources.cpu_millis = Some(7);
        request.build = build.into();
        assert_eq!(image(&request, &options()).unwrap(), "rust:1");
        assert_eq!(reserved(&request, &options()), Capacity { slots: 1, memory_bytes: 5, cpu_millis: 7 });
    }

    #[test]
    fn the_command_has_a_user_of_its_own() {
        let job = job(&a_request(), "node:22", &options());
        assert_eq!((job.user, job.image.as_deref()), (Some(10_001), Some("node:22")));
    }
}
