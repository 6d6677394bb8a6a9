//! Rules about disks, partitions, filesystems, RAID arrays and encrypted volumes.

use std::collections::{BTreeMap, BTreeSet};

use super::fetching::{resource, source_fault, tang_url_fault};
use super::{Findings, says};
use crate::ignition::config::{Clevis, Disk, Filesystem, Luks, Partition, Raid, Storage};
use crate::ignition::json::Json;
use crate::ignition::paths;
use crate::ignition::report::Path;

/// A GPT entry's name holds 36 code units.
const PARTITION_LABEL_MAX: usize = 36;
/// A LUKS2 header holds 47 bytes of label and their end.
const LUKS_LABEL_MAX: usize = 47;
/// Since spec 3.3 an absent RAID level is told apart from an unknown one, and a missing Clevis pin
/// from an unknown one; since 3.4 a filesystem's format may be `none`.
const OPTIONAL_TEXTS_SINCE: u8 = 3;
const FORMAT_NONE_SINCE: u8 = 3;

pub(super) fn volumes(storage: &Storage, path: &Path, findings: &mut Findings) {
    for (index, disk) in storage.disks.iter().enumerate() {
        self::disk(disk, &path.field("disks").index(index), findings);
    }
    let disks: BTreeMap<&str, &Disk> = storage
        .disks
        .iter()
        .map(|disk| (disk.device.as_str(), disk))
        .collect();
    for (index, filesystem) in storage.filesystems.iter().enumerate() {
        let path = path.field("filesystems").index(index);
        self::filesystem(filesystem, &path, findings);
        if let Some(disk) = disks.get(filesystem.device.as_str()) {
            filesystem_on_disk(filesystem, disk, &path.field("device"), findings);
        }
    }
    for (index, luks) in storage.luks.iter().enumerate() {
        self::luks(luks, &path.field("luks").index(index), findings);
    }
    for (index, raid) in storage.raid.iter().enumerate() {
        self::raid(raid, &path.field("raid").index(index), findings);
    }
}

fn disk(disk: &Disk, path: &Path, findings: &mut Findings) {
    let partitions = path.field("partitions");
    for (index, partition) in disk.partitions.iter().enumerate() {
        self::partition(partition, &partitions.index(index), findings);
    }
    if disk.device.is_empty() {
        findings.error(&path.field("device"), "disk device is required");
        return;
    }
    findings.fault(&path.field("device"), paths::fault(&disk.device));
    if let Some(index) = repeated(
        disk.partitions
            .iter()
            .map(|it| (it.number != 0).then_some(it.number)),
    ) {
        findings.error(&partitions.index(index), "partition numbers collide");
    }
    if let Some(index) = overlapping(&disk.partitions) {
        findings.error(&partitions.index(index), "partitions overlap");
    }
    let unnumbered = disk
        .partitions
        .iter()
        .any(|partition| partition.number == 0);
    let unwanted = disk
        .partitions
        .iter()
        .any(|partition| partition.should_exist == Some(false));
    if unnumbered && unwanted {
        findings.error(
            &partitions,
            "shouldExist is false for a partition and other partition(s) has start or size 0",
        );
    }
    if let Some(index) = repeated(disk.partitions.iter().map(|it| it.label.as_deref())) {
        findings.error(
            &partitions.index(index),
            "cannot use the same partition label twice",
        );
    }
}

/// The index of the first value that was there before; absent values do not count.
fn repeated<T: Ord>(values: impl Iterator<Item = Option<T>>) -> Option<usize> {
    let mut seen = BTreeSet::new();
    values
        .enumerate()
        .find_map(|(index, value)| (!seen.insert(value?)).then_some(index))
}

/// The index of a partition that another one overlaps, of those with explicit start and size.
fn overlapping(partitions: &[Partition]) -> Option<usize> {
    let placed = || {
        partitions
            .iter()
            .enumerate()
            .filter_map(|(index, partition)| {
                let start = partition.start_mib.filter(|start| *start != 0)?;
                let size = partition.size_mib?;
                let end = if size == 0 {
                    start
                } else {
                    start.saturating_add(size).saturating_sub(1)
                };
                Some((index, partition, start, end))
            })
    };
    for (_, partition, start, end) in placed() {
        for (other_index, other, other_start, other_end) in placed() {
            let other_holds = |point: i64| point >= other_start && point <= other_end;
            let straddles = start < other_start && end > other_end;
            // Two equal entries are one entry given twice, which the rule on numbers reports.
            if partition != other && (other_holds(start) || other_holds(end) || straddles) {
                return Some(other_index);
            }
        }
    }
    None
}

fn partition(partition: &Partition, path: &Path, findings: &mut Findings) {
    let has_more = partition.label.is_some()
        || says(partition.type_guid.as_ref())
        || says(partition.guid.as_ref())
        || partition.start_mib.is_some()
        || partition.size_mib.is_some();
    if partition.should_exist == Some(false) && has_more {
        findings.error(
            path,
            "shouldExist specified false with other options also specified",
        );
    }
    if partition.number == 0 && partition.label.is_none() {
        findings.error(path, "a partition number >= 1 or a label must be specified");
    }
    match partition.label.as_deref() {
        Some(label) if label.len() > PARTITION_LABEL_MAX => {
            findings.error(
                &path.field("label"),
                "partition labels may not exceed 36 characters",
            );
        }
        Some(label) if label.contains(':') => findings.error(
            &path.field("label"),
            "partition label will be truncated to text before the colon",
        ),
        _ => {}
    }
    for (name, guid) in [
        ("guid", &partition.guid),
        ("typeGuid", &partition.type_guid),
    ] {
        if !guid.as_deref().is_none_or(is_guid) {
            findings.error(
                &path.field(name),
                "doesn't match the form \"01234567-89AB-CDEF-EDCB-A98765432101\"",
            );
        }
    }
}

/// Five groups of 8, 4, 4, 4 and 12 hexadecimal digits, or nothing.
fn is_guid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_hexdigit());
    text.is_empty() || (lengths.eq([8, 4, 4, 4, 12]) && text.split('-').all(digits))
}

fn filesystem(filesystem: &Filesystem, path: &Path, findings: &mut Findings) {
    if let Some(mount_point) = filesystem.path.as_deref().filter(|path| !path.is_empty()) {
        findings.fault(&path.field("path"), paths::fault(mount_point));
    }
    findings.fault(&path.field("device"), paths::fault(&filesystem.device));
    let label = filesystem
        .label
        .as_deref()
        .filter(|label| !label.is_empty());
    let Some(format) = filesystem
        .format
        .as_deref()
        .filter(|format| !format.is_empty())
    else {
        let has_more = says(filesystem.path.as_ref())
            || label.is_some()
            || says(filesystem.uuid.as_ref())
            || filesystem.wipe_filesystem == Some(true)
            || !filesystem.mount_options.is_empty()
            || !filesystem.options.is_empty();
        if has_more {
            findings.error(
                &path.field("format"),
                "format cannot be empty when path, label, uuid, wipeFilesystem, options, or \
                 mountOptions is specified",
            );
        }
        if label.is_some() {
            let message = "filesystem must specify format if label is specified";
            findings.error(&path.field("label"), message);
        }
        return;
    };
    let label_max = match format {
        "ext4" => Some(16),
        "btrfs" => Some(256),
        "xfs" => Some(12),
        "swap" => Some(15),
        "vfat" => Some(11),
        "none" if findings.minor >= FORMAT_NONE_SINCE => None,
        _ => {
            findings.error(&path.field("format"), "invalid filesystem format");
            None
        }
    };
    if let (Some(max), Some(label)) = (label_max, label)
        && label.len() > max
    {
        findings.error(
            &path.field("label"),
            format!("filesystem labels cannot be longer than {max} characters when using {format}"),
        );
    }
}

fn filesystem_on_disk(filesystem: &Filesystem, disk: &Disk, path: &Path, findings: &mut Findings) {
    if !disk.partitions.is_empty() {
        findings.warning(path, "filesystem overwrites partitioned device");
    } else if filesystem.wipe_filesystem != Some(true) && disk.wipe_table == Some(true) {
        findings.warning(
            path,
            "device matches disk with wipeTable enabled; filesystem will be wiped",
        );
    }
}

fn raid(raid: &Raid, path: &Path, findings: &mut Findings) {
    let level = raid.level.as_deref().unwrap_or("");
    let fault = match level {
        "" if findings.minor >= OPTIONAL_TEXTS_SINCE => Some("raid level is required"),
        "linear" | "raid0" | "0" | "stripe" => raid
            .spares
            .filter(|spares| *spares != 0)
            .map(|_| "spares unsupported for linear and raid0 arrays"),
        "raid1" | "1" | "mirror" | "raid4" | "4" | "raid5" | "5" | "raid6" | "6" | "raid10"
        | "10" => None,
        _ => Some("unrecognized raid level"),
    };
    findings.fault(&path.field("level"), fault);
    let devices = path.field("devices");
    if raid.devices.is_empty() {
        findings.error(&devices, "raid devices required");
    }
    for (index, device) in raid.devices.iter().enumerate() {
        findings.fault(&devices.index(index), paths::fault(device));
    }
}

fn luks(luks: &Luks, path: &Path, findings: &mut Findings) {
    if luks.name.contains('/') {
        findings.error(&path.field("name"), "device names cannot contain slashes");
    }
    if luks
        .label
        .as_deref()
        .is_some_and(|label| label.len() > LUKS_LABEL_MAX)
    {
        findings.error(
            &path.field("label"),
            "luks device labels cannot be longer than 47 characters",
        );
    }
    let device_fault = match luks.device.as_deref() {
        None | Some("") => Some("disk device is required"),
        Some(device) => paths::fault(device),
    };
    findings.fault(&path.field("device"), device_fault);
    resource(&luks.key_file, &path.field("keyFile"), findings);
    if source_fault(&luks.key_file, findings.minor).is_some() {
        findings.error(&path.field("keys"), "invalid key-file source");
    }
    clevis(&luks.clevis, &path.field("clevis"), findings);
    let cex = path.field("cex");
    if luks.cex.enabled == Some(true) {
        if bound_by_clevis(&luks.clevis) {
            findings.error(&cex, "cannot use cex with clevis");
        }
        if says(luks.key_file.source.as_ref()) {
            findings.error(&cex, "cannot use key file with cex");
        }
    }
}

fn without_custom(clevis: &Clevis) -> bool {
    !clevis.tang.is_empty()
        || clevis.tpm2 == Some(true)
        || clevis.threshold.is_some_and(|threshold| threshold != 0)
}

fn bound_by_clevis(clevis: &Clevis) -> bool {
    says(clevis.custom.pin.as_ref()) || without_custom(clevis)
}

fn clevis(clevis: &Clevis, path: &Path, findings: &mut Findings) {
    let custom = &clevis.custom;
    let pin = custom.pin.as_deref().unwrap_or("");
    if !pin.is_empty() && without_custom(clevis) {
        findings.error(
            path,
            "cannot use custom clevis config with tpm2, tang, or threshold",
        );
    }
    let optional = findings.minor >= OPTIONAL_TEXTS_SINCE;
    let network = optional && custom.needs_network == Some(true);
    if !pin.is_empty() || says(custom.config.as_ref()) || network {
        let path = path.field("custom");
        match pin {
            "tpm2" | "tang" | "sss" => {}
            "" if optional => {
                findings.error(&path.field("pin"), "missing required custom clevis pin");
            }
            _ => findings.error(&path.field("pin"), "unsupported clevis pin"),
        }
        if !says(custom.config.as_ref()) {
            findings.error(
                &path.field("config"),
                "missing required custom clevis config",
            );
        }
    }
    for (index, tang) in clevis.tang.iter().enumerate() {
        let path = path.field("tang").index(index);
        findings.fault(&path.field("url"), tang_url_fault(&tang.url));
        if !says(tang.thumbprint.as_ref()) {
            findings.error(&path.field("thumbprint"), "thumbprint is required");
        }
        let advertisement = tang
            .advertisement
            .as_deref()
            .filter(|text| !text.is_empty());
        if advertisement.is_some_and(|text| Json::from_text(text).is_err()) {
            findings.error(
                &path.field("advertisement"),
                "advertisement is not valid JSON",
            );
        }
    }
}
