//! The typed model of an Ignition config, spec 3.5.0.
//!
//! Guarantees: the same fields as the table in `schema`; what is absent stays absent when written
//! again. Every config of an older spec arrives here translated.
//! Assumes: values come out of `decode`, so that a field of a wrong type cannot occur.
//! Not here: rules about values (`validate`), joining two configs (`crate::merge`).

use std::ops::Deref;

use serde::{Deserialize, Serialize};

/// A list that may be absent. An empty list is not the same as an absent one where the reference
/// compares two configs; everywhere else it reads as a slice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct List<T>(Option<Vec<T>>);

impl<T> List<T> {
    /// Whether nobody wrote a list.
    pub fn is_absent(&self) -> bool {
        self.0.is_none()
    }

    /// The items, to be changed; an absent list becomes an empty one.
    pub fn make_mut(&mut self) -> &mut Vec<T> {
        self.0.get_or_insert_with(Vec::new)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> From<Vec<T>> for List<T> {
    fn from(items: Vec<T>) -> Self {
        Self(Some(items))
    }
}

impl<T> Deref for List<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        self.0.as_deref().unwrap_or_default()
    }
}

impl<'a, T> IntoIterator for &'a List<T> {
    type Item = &'a T;
    type IntoIter = std::slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

macro_rules! model {
    ($($(#[$doc:meta])* $name:ident { $($(#[$attribute:meta])* $field:ident: $type:ty,)* })*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(rename_all = "camelCase")]
        pub struct $name {
            $(
                #[allow(missing_docs, reason = "Ignition's own names, documented by its specs")]
                $(#[$attribute])*
                pub $field: $type,
            )*
        }
    )*};
}

model! {
    /// A whole config.
    Config {
        ignition: Ignition,
        #[serde(default, skip_serializing_if = "is_default")]
        kernel_arguments: KernelArguments,
        #[serde(default, skip_serializing_if = "is_default")]
        passwd: Passwd,
        #[serde(default, skip_serializing_if = "is_default")]
        storage: Storage,
        #[serde(default, skip_serializing_if = "is_default")]
        systemd: Systemd,
    }
    /// What concerns Ignition itself.
    Ignition {
        #[serde(default, skip_serializing_if = "is_default")]
        config: IgnitionConfig,
        #[serde(default, skip_serializing_if = "is_default")]
        proxy: Proxy,
        #[serde(default, skip_serializing_if = "is_default")]
        security: Security,
        #[serde(default, skip_serializing_if = "is_default")]
        timeouts: Timeouts,
        #[serde(default)]
        version: String,
    }
    /// Configs to fetch from elsewhere.
    IgnitionConfig {
        #[serde(default, skip_serializing_if = "List::is_absent")]
        merge: List<Resource>,
        #[serde(default, skip_serializing_if = "is_default")]
        replace: Resource,
    }
    /// Proxies for fetching.
    Proxy {
        #[serde(skip_serializing_if = "Option::is_none")]
        http_proxy: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        https_proxy: Option<String>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        no_proxy: List<String>,
    }
    /// Security of fetching.
    Security {
        #[serde(default, skip_serializing_if = "is_default")]
        tls: Tls,
    }
    /// TLS of fetching.
    Tls {
        #[serde(default, skip_serializing_if = "List::is_absent")]
        certificate_authorities: List<Resource>,
    }
    /// Timeouts of fetching, in seconds.
    Timeouts {
        #[serde(skip_serializing_if = "Option::is_none")]
        http_response_headers: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        http_total: Option<i64>,
    }
    /// Contents: where from, how packed, how verified.
    Resource {
        #[serde(skip_serializing_if = "Option::is_none")]
        compression: Option<String>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        http_headers: List<HttpHeader>,
        #[serde(skip_serializing_if = "Option::is_none")]
        source: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        verification: Verification,
    }
    /// A header of the request that fetches contents.
    HttpHeader {
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        value: Option<String>,
    }
    /// The hash that fetched contents must have.
    Verification {
        #[serde(skip_serializing_if = "Option::is_none")]
        hash: Option<String>,
    }
    /// Kernel arguments, the Ignition way.
    KernelArguments {
        #[serde(default, skip_serializing_if = "List::is_absent")]
        should_exist: List<String>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        should_not_exist: List<String>,
    }
    /// Users and groups.
    Passwd {
        #[serde(default, skip_serializing_if = "List::is_absent")]
        groups: List<PasswdGroup>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        users: List<PasswdUser>,
    }
    /// A group.
    PasswdGroup {
        #[serde(skip_serializing_if = "Option::is_none")]
        gid: Option<i64>,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        password_hash: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        should_exist: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        system: Option<bool>,
    }
    /// A user.
    PasswdUser {
        #[serde(skip_serializing_if = "Option::is_none")]
        gecos: Option<String>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        groups: List<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        home_dir: Option<String>,
        name: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        no_create_home: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        no_log_init: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        no_user_group: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        password_hash: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        primary_group: Option<String>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        ssh_authorized_keys: List<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        shell: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        should_exist: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        system: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        uid: Option<i64>,
    }
    /// What lies on disks.
    Storage {
        #[serde(default, skip_serializing_if = "List::is_absent")]
        directories: List<Directory>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        disks: List<Disk>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        files: List<File>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        filesystems: List<Filesystem>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        links: List<Link>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        luks: List<Luks>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        raid: List<Raid>,
    }
    /// A user or group that owns a file, by number or by name.
    Owner {
        #[serde(skip_serializing_if = "Option::is_none")]
        id: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    }
    /// A directory.
    Directory {
        #[serde(default, skip_serializing_if = "is_default")]
        group: Owner,
        #[serde(skip_serializing_if = "Option::is_none")]
        overwrite: Option<bool>,
        path: String,
        #[serde(default, skip_serializing_if = "is_default")]
        user: Owner,
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<i64>,
    }
    /// A file.
    File {
        #[serde(default, skip_serializing_if = "is_default")]
        group: Owner,
        #[serde(skip_serializing_if = "Option::is_none")]
        overwrite: Option<bool>,
        path: String,
        #[serde(default, skip_serializing_if = "is_default")]
        user: Owner,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        append: List<Resource>,
        #[serde(default, skip_serializing_if = "is_default")]
        contents: Resource,
        #[serde(skip_serializing_if = "Option::is_none")]
        mode: Option<i64>,
    }
    /// A symbolic or hard link.
    Link {
        #[serde(default, skip_serializing_if = "is_default")]
        group: Owner,
        #[serde(skip_serializing_if = "Option::is_none")]
        overwrite: Option<bool>,
        path: String,
        #[serde(default, skip_serializing_if = "is_default")]
        user: Owner,
        #[serde(skip_serializing_if = "Option::is_none")]
        hard: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<String>,
    }
    /// A disk and its partitions.
    Disk {
        device: String,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        partitions: List<Partition>,
        #[serde(skip_serializing_if = "Option::is_none")]
        wipe_table: Option<bool>,
    }
    /// A partition.
    Partition {
        #[serde(skip_serializing_if = "Option::is_none")]
        guid: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        number: i64,
        #[serde(skip_serializing_if = "Option::is_none")]
        resize: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        should_exist: Option<bool>,
        #[serde(rename = "sizeMiB", skip_serializing_if = "Option::is_none")]
        size_mib: Option<i64>,
        #[serde(rename = "startMiB", skip_serializing_if = "Option::is_none")]
        start_mib: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        type_guid: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        wipe_partition_entry: Option<bool>,
    }
    /// A filesystem.
    Filesystem {
        device: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        format: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        mount_options: List<String>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        options: List<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        path: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        uuid: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        wipe_filesystem: Option<bool>,
    }
    /// An encrypted volume.
    Luks {
        #[serde(default, skip_serializing_if = "is_default")]
        cex: Cex,
        #[serde(default, skip_serializing_if = "is_default")]
        clevis: Clevis,
        #[serde(skip_serializing_if = "Option::is_none")]
        device: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        discard: Option<bool>,
        #[serde(default, skip_serializing_if = "is_default")]
        key_file: Resource,
        #[serde(skip_serializing_if = "Option::is_none")]
        label: Option<String>,
        name: String,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        open_options: List<String>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        options: List<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        uuid: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        wipe_volume: Option<bool>,
    }
    /// Keys in an IBM crypto card.
    Cex {
        #[serde(skip_serializing_if = "Option::is_none")]
        enabled: Option<bool>,
    }
    /// Keys by Clevis.
    Clevis {
        #[serde(default, skip_serializing_if = "is_default")]
        custom: ClevisCustom,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        tang: List<Tang>,
        #[serde(skip_serializing_if = "Option::is_none")]
        threshold: Option<i64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        tpm2: Option<bool>,
    }
    /// A Clevis pin given in full.
    ClevisCustom {
        #[serde(skip_serializing_if = "Option::is_none")]
        config: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        needs_network: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        pin: Option<String>,
    }
    /// A Tang server.
    Tang {
        #[serde(skip_serializing_if = "Option::is_none")]
        advertisement: Option<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        thumbprint: Option<String>,
        #[serde(default, skip_serializing_if = "is_default")]
        url: String,
    }
    /// A RAID array.
    Raid {
        #[serde(default, skip_serializing_if = "List::is_absent")]
        devices: List<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        level: Option<String>,
        name: String,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        options: List<String>,
        #[serde(skip_serializing_if = "Option::is_none")]
        spares: Option<i64>,
    }
    /// systemd's part.
    Systemd {
        #[serde(default, skip_serializing_if = "List::is_absent")]
        units: List<Unit>,
    }
    /// A systemd unit.
    Unit {
        #[serde(skip_serializing_if = "Option::is_none")]
        contents: Option<String>,
        #[serde(default, skip_serializing_if = "List::is_absent")]
        dropins: List<Dropin>,
        #[serde(skip_serializing_if = "Option::is_none")]
        enabled: Option<bool>,
        #[serde(skip_serializing_if = "Option::is_none")]
        mask: Option<bool>,
        name: String,
    }
    /// A drop-in of a unit.
    Dropin {
        #[serde(skip_serializing_if = "Option::is_none")]
        contents: Option<String>,
        name: String,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Map, Value};

    use super::super::schema::{CONFIG, Kind, Object};
    use super::*;

    /// An object with every field of the table set.
    fn full(schema: &Object) -> Value {
        let members = schema.fields.iter().map(|field| {
            let value = match &field.kind {
                Kind::Text => Value::from("text"),
                Kind::Integer => Value::from(1),
                Kind::Flag => Value::from(true),
                Kind::Object(inner) => full(inner),
                Kind::Objects(item, _) => Value::from(vec![full(item)]),
                Kind::Texts(_) => Value::from(vec!["text"]),
            };
            (field.name.to_owned(), value)
        });
        Value::Object(members.collect::<Map<_, _>>())
    }

    #[test]
    fn the_model_has_the_fields_of_the_table_and_no_others() {
        let every_field = full(&CONFIG);
        let config: Config = serde_json::from_value(every_field.clone()).unwrap();
        assert_eq!(serde_json::to_value(config).unwrap(), every_field);
    }
}
