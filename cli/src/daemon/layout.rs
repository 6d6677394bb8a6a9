//! What lies where on a host: everything that the installer puts there, and that removal takes away.

/// The service.
pub(super) const UNIT: &str = "windlass-daemon.service";

pub(super) const UNIT_PATH: &str = "/etc/systemd/system/windlass-daemon.service";

/// The program lies where also systems with a read-only `/usr` let one be put.
pub(super) const PROGRAM_DIRECTORIES: [&str; 2] = ["/opt/windlass/bin", "/opt/windlass"];
pub(super) const PROGRAM: &str = "/opt/windlass/bin/windlass";

pub(super) const DIRECTORY: &str = "/etc/windlass";
pub(super) const SETTINGS: &str = "/etc/windlass/daemon.yaml";
pub(super) const KUBECONFIG: &str = "/etc/windlass/kubeconfig";
pub(super) const AUTHORITY: &str = "/etc/windlass/ca.crt";
pub(super) const TOKEN: &str = "/etc/windlass/token";

/// Says that the service has to be started anew for what was put there; so a restart that failed is not forgotten.
pub(super) const RESTART_DUE: &str = "/etc/windlass/restart-due";

/// All files, in the order in which they are taken away.
pub(super) const FILES: [&str; 7] = [
    UNIT_PATH,
    TOKEN,
    KUBECONFIG,
    AUTHORITY,
    SETTINGS,
    RESTART_DUE,
    PROGRAM,
];

/// The unit. It is tried again for ever: the way back has to come, whatever is broken meanwhile.
pub(super) const UNIT_FILE: &str = "\
# Written by `windlass daemon install`; changes are overwritten. Use a drop-in.
[Unit]
Description=Windlass: brings this node to its declared configuration
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0

[Service]
Type=exec
ExecStart=/opt/windlass/bin/windlass daemon --config=/etc/windlass/daemon.yaml
Restart=always
RestartSec=5
UMask=0022
OOMScoreAdjust=-999

[Install]
WantedBy=multi-user.target
";
