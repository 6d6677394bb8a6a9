//! The shape of an Ignition config, as a table: which fields exist, of which type, since which
//! minor version of spec 3, and how two lists of them are joined.
//!
//! Guarantees: `decode`, the search for unused keys, the search for duplicates and the merge all
//! read this one table, so that they cannot disagree. The model in `config` has the same fields.
//! Rules: coreos/ignition docs, configuration specs 3.0 to 3.5.
//! Not here: what values are valid (`validate`).

use std::borrow::Cow;

use serde_json::{Map, Value};

/// An object: its fields by name (sorted as the reference declares them) and its key in a list.
#[derive(Debug)]
pub(crate) struct Object {
    pub(crate) fields: &'static [Field],
    pub(crate) key: Key,
}

/// One field.
#[derive(Debug)]
pub(crate) struct Field {
    pub(crate) name: &'static str,
    pub(crate) kind: Kind,
    /// The first minor version of spec 3 that knows it.
    pub(crate) since: u8,
    /// A text that is always written, empty if nobody set it: an item's key.
    pub(crate) required: bool,
}

/// The type of a field.
#[derive(Debug)]
pub(crate) enum Kind {
    Text,
    Integer,
    Flag,
    Object(&'static Object),
    Objects(&'static Object, Join),
    Texts(Join),
}

/// How a later list is joined to an earlier one, and where a repeated item is a mistake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Join {
    /// Item by item, by key.
    ByKey,
    /// By key, and the key is unique among all lists of this group in the same object.
    Group(&'static str),
    /// By key, but a later item without a value takes the earlier one away.
    Headers,
    /// One after the other; repeating an item is fine.
    Concatenate,
}

/// What tells an item of a list from the others.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key {
    /// This text field.
    Field(&'static str),
    /// A partition's number, or else its label.
    Partition,
    /// Never an item of a keyed list.
    None,
}

impl Object {
    /// What tells this item of a list from the others; empty if it has no key.
    pub(crate) fn key_of<'a>(&self, item: &'a Map<String, Value>) -> Cow<'a, str> {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        match self.key {
            Key::Field(name) => text(name).unwrap_or_default().into(),
            Key::Partition => match item.get("number").and_then(Value::as_i64).unwrap_or(0) {
                0 => text("label").map_or(Cow::Borrowed(""), |it| format!("label:{it}").into()),
                number => format!("number:{number}").into(),
            },
            Key::None => Cow::Borrowed(""),
        }
    }

    /// The fields that the given minor version knows.
    pub(crate) fn fields_of(&self, minor: u8) -> impl Iterator<Item = &'static Field> {
        self.fields.iter().filter(move |field| field.since <= minor)
    }
}

impl Field {
    const fn new(name: &'static str, kind: Kind) -> Self {
        Self {
            name,
            kind,
            since: 0,
            required: false,
        }
    }

    const fn since(self, minor: u8) -> Self {
        Self {
            name: self.name,
            kind: self.kind,
            since: minor,
            required: self.required,
        }
    }
}

const fn text(name: &'static str) -> Field {
    Field::new(name, Kind::Text)
}

const fn required(name: &'static str) -> Field {
    Field {
        name,
        kind: Kind::Text,
        since: 0,
        required: true,
    }
}

const fn integer(name: &'static str) -> Field {
    Field::new(name, Kind::Integer)
}

const fn flag(name: &'static str) -> Field {
    Field::new(name, Kind::Flag)
}

const fn object(name: &'static str, object: &'static Object) -> Field {
    Field::new(name, Kind::Object(object))
}

const fn objects(name: &'static str, item: &'static Object) -> Field {
    Field::new(name, Kind::Objects(item, Join::ByKey))
}

const fn texts(name: &'static str) -> Field {
    Field::new(name, Kind::Texts(Join::ByKey))
}

const fn plain(fields: &'static [Field]) -> Object {
    Object {
        fields,
        key: Key::None,
    }
}

const fn keyed(key: &'static str, fields: &'static [Field]) -> Object {
    Object {
        fields,
        key: Key::Field(key),
    }
}

/// Files, directories and links share one name space.
const NODE: Join = Join::Group("node");
/// A kernel argument cannot be wanted and unwanted at once.
const KERNEL_ARGUMENT: Join = Join::Group("kernel argument");

/// What is read before the version is known.
pub(crate) static VERSION_ONLY: Object = plain(&[object("ignition", &IGNITION_VERSION)]);
static IGNITION_VERSION: Object = plain(&[text("version")]);

/// The root.
pub(crate) static CONFIG: Object = plain(&[
    object("ignition", &IGNITION),
    object("kernelArguments", &KERNEL_ARGUMENTS).since(3),
    object("passwd", &PASSWD),
    object("storage", &STORAGE),
    object("systemd", &SYSTEMD),
]);

static IGNITION: Object = plain(&[
    object("config", &IGNITION_CONFIG),
    object("proxy", &PROXY).since(1),
    object("security", &SECURITY),
    object("timeouts", &TIMEOUTS),
    text("version"),
]);

static IGNITION_CONFIG: Object =
    plain(&[objects("merge", &REFERENCE), object("replace", &REFERENCE)]);

static PROXY: Object = plain(&[text("httpProxy"), text("httpsProxy"), texts("noProxy")]);
static SECURITY: Object = plain(&[object("tls", &TLS)]);
static TLS: Object = plain(&[objects("certificateAuthorities", &REFERENCE)]);
static TIMEOUTS: Object = plain(&[integer("httpResponseHeaders"), integer("httpTotal")]);

/// Contents from elsewhere: other configs and certificates, which were plainer in 3.0.
static REFERENCE: Object = keyed(
    "source",
    &[
        text("compression").since(1),
        Field::new("httpHeaders", Kind::Objects(&HTTP_HEADER, Join::Headers)).since(1),
        text("source"),
        object("verification", &VERIFICATION),
    ],
);

/// Contents of files.
static RESOURCE: Object = keyed(
    "source",
    &[
        text("compression"),
        Field::new("httpHeaders", Kind::Objects(&HTTP_HEADER, Join::Headers)).since(1),
        text("source"),
        object("verification", &VERIFICATION),
    ],
);

static HTTP_HEADER: Object = keyed("name", &[required("name"), text("value")]);
static VERIFICATION: Object = plain(&[text("hash")]);

static KERNEL_ARGUMENTS: Object = plain(&[
    Field::new("shouldExist", Kind::Texts(KERNEL_ARGUMENT)),
    Field::new("shouldNotExist", Kind::Texts(KERNEL_ARGUMENT)),
]);

static PASSWD: Object = plain(&[objects("groups", &GROUP), objects("users", &USER)]);

static GROUP: Object = keyed(
    "name",
    &[
        integer("gid"),
        required("name"),
        text("passwordHash"),
        flag("shouldExist").since(2),
        flag("system"),
    ],
);

static USER: Object = keyed(
    "name",
    &[
        text("gecos"),
        texts("groups"),
        text("homeDir"),
        required("name"),
        flag("noCreateHome"),
        flag("noLogInit"),
        flag("noUserGroup"),
        text("passwordHash"),
        text("primaryGroup"),
        texts("sshAuthorizedKeys"),
        text("shell"),
        flag("shouldExist").since(2),
        flag("system"),
        integer("uid"),
    ],
);

static STORAGE: Object = plain(&[
    Field::new("directories", Kind::Objects(&DIRECTORY, NODE)),
    objects("disks", &DISK),
    Field::new("files", Kind::Objects(&FILE, NODE)),
    objects("filesystems", &FILESYSTEM),
    Field::new("links", Kind::Objects(&LINK, NODE)),
    objects("luks", &LUKS).since(2),
    objects("raid", &RAID),
]);

static OWNER: Object = plain(&[integer("id"), text("name")]);

static DIRECTORY: Object = keyed(
    "path",
    &[
        object("group", &OWNER),
        flag("overwrite"),
        required("path"),
        object("user", &OWNER),
        integer("mode"),
    ],
);

static FILE: Object = keyed(
    "path",
    &[
        object("group", &OWNER),
        flag("overwrite"),
        required("path"),
        object("user", &OWNER),
        Field::new("append", Kind::Objects(&RESOURCE, Join::Concatenate)),
        object("contents", &RESOURCE),
        integer("mode"),
    ],
);

static LINK: Object = keyed(
    "path",
    &[
        object("group", &OWNER),
        flag("overwrite"),
        required("path"),
        object("user", &OWNER),
        flag("hard"),
        text("target"),
    ],
);

static DISK: Object = keyed(
    "device",
    &[
        required("device"),
        objects("partitions", &PARTITION),
        flag("wipeTable"),
    ],
);

static PARTITION: Object = Object {
    fields: &[
        text("guid"),
        text("label"),
        integer("number"),
        flag("resize").since(2),
        flag("shouldExist"),
        integer("sizeMiB"),
        integer("startMiB"),
        text("typeGuid"),
        flag("wipePartitionEntry"),
    ],
    key: Key::Partition,
};

static FILESYSTEM: Object = keyed(
    "device",
    &[
        required("device"),
        text("format"),
        text("label"),
        Field::new("mountOptions", Kind::Texts(Join::Concatenate)).since(1),
        Field::new("options", Kind::Texts(Join::Concatenate)),
        text("path"),
        text("uuid"),
        flag("wipeFilesystem"),
    ],
);

static LUKS: Object = keyed(
    "name",
    &[
        object("cex", &CEX).since(5),
        object("clevis", &CLEVIS),
        text("device"),
        flag("discard").since(4),
        object("keyFile", &RESOURCE),
        text("label"),
        required("name"),
        texts("openOptions").since(4),
        Field::new("options", Kind::Texts(Join::Concatenate)),
        text("uuid"),
        flag("wipeVolume"),
    ],
);

static CEX: Object = plain(&[flag("enabled")]);

static CLEVIS: Object = plain(&[
    object("custom", &CLEVIS_CUSTOM),
    objects("tang", &TANG),
    integer("threshold"),
    flag("tpm2"),
]);

static CLEVIS_CUSTOM: Object = plain(&[text("config"), flag("needsNetwork"), text("pin")]);

static TANG: Object = keyed(
    "url",
    &[
        text("advertisement").since(4),
        text("thumbprint"),
        text("url"),
    ],
);

static RAID: Object = keyed(
    "name",
    &[
        texts("devices"),
        text("level"),
        required("name"),
        Field::new("options", Kind::Texts(Join::Concatenate)),
        integer("spares"),
    ],
);

static SYSTEMD: Object = plain(&[objects("units", &UNIT)]);

static UNIT: Object = keyed(
    "name",
    &[
        text("contents"),
        objects("dropins", &DROPIN),
        flag("enabled"),
        flag("mask"),
        required("name"),
    ],
);

static DROPIN: Object = keyed("name", &[text("contents"), required("name")]);
