//! The types of objects: what the schemas of built-in kinds and of custom resources say about a place in an object.
//!
//! Both are OpenAPI schemas with Kubernetes' extensions (`x-kubernetes-list-type` and its kin), so one view serves both. The
//! schemas of built-in kinds come from k8s-openapi, which leaves the extensions out; [`super::marks`] puts them in.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::marks;
use crate::server::builtin::BUILT_IN;
use crate::server::resource::Resource;
use crate::server::value;

/// The schemas of all built-in kinds and of what they are made of, by name (`io.k8s.api.core.v1.Node`).
pub(crate) static BUILT_IN_TYPES: LazyLock<BTreeMap<String, Value>> = LazyLock::new(|| {
    let mut generator = SchemaSettings::openapi3().into_generator();
    for row in BUILT_IN {
        (row.schema)(&mut generator);
    }
    let mut types: BTreeMap<String, Value> = generator.take_definitions(true).into_iter().collect();
    marks::put_in(&mut types);
    types
});

/// The names of built-in kinds' types by group, version and kind.
pub(crate) static BUILT_IN_NAMES: LazyLock<BTreeMap<(String, String, String), String>> =
    LazyLock::new(|| {
        BUILT_IN
            .iter()
            .filter_map(|row| {
                let mut generator = SchemaSettings::openapi3().into_generator();
                let reference = (row.schema)(&mut generator);
                let name = reference
                    .get("$ref")?
                    .as_str()?
                    .rsplit('/')
                    .next()?
                    .to_owned();
                let key = (
                    row.group.to_owned(),
                    row.version.to_owned(),
                    row.kind.to_owned(),
                );
                Some((key, name))
            })
            .collect()
    });

/// The type of an object's metadata.
pub(crate) const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// The name of the type of custom objects in [`Type::of_object`].
const CUSTOM_OBJECT: &str = "custom object";

/// What is known about one place in an object.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Type<'a> {
    schema: Option<&'a Value>,
    /// Its name, where it is one of the built-in types.
    pub name: &'a str,
}

/// How the items of a list belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Items<'a> {
    /// The list is one value.
    Atomic,
    /// Each item is its own identity.
    Set,
    /// Items are known by these fields.
    Keyed(Vec<&'a str>),
}

impl<'a> Type<'a> {
    /// Nothing is known; maps are maps, and lists are one value.
    pub(crate) const UNKNOWN: Type<'static> = Type {
        schema: None,
        name: "",
    };

    /// The type that a schema describes.
    pub(crate) fn of_schema(schema: &'a Value) -> Self {
        Self {
            schema: Some(schema),
            name: "",
        }
        .resolved()
    }

    /// A built-in type by name.
    pub(crate) fn built_in(name: &str) -> Type<'static> {
        match BUILT_IN_TYPES.get_key_value(name) {
            Some((name, schema)) => Type {
                schema: Some(schema),
                name,
            },
            None => Type::UNKNOWN,
        }
    }

    /// The type of a resource's objects.
    pub(crate) fn of(resource: &'a Resource) -> Self {
        if let Some(custom) = &resource.custom {
            return Type::of_schema(&custom.schema);
        }
        let key = (
            resource.group.clone(),
            resource.version.clone(),
            resource.kind.clone(),
        );
        BUILT_IN_NAMES
            .get(&key)
            .map_or(Type::UNKNOWN, |name| Type::built_in(name))
    }

    /// The same, where the metadata counts: a definition's schema does not describe it, for it is that of all objects.
    pub(crate) fn of_object(resource: &'a Resource) -> Self {
        let mut of = Type::of(resource);
        if resource.custom.is_some() {
            of.name = CUSTOM_OBJECT;
        }
        of
    }

    fn resolved(self) -> Self {
        let Some(schema) = self.schema else {
            return self;
        };
        let reference = schema
            .get("$ref")
            .or_else(|| schema.get("allOf")?.get(0)?.get("$ref"))
            .and_then(Value::as_str);
        match reference.and_then(|reference| reference.rsplit('/').next()) {
            Some(name) => Type::built_in(name),
            None => self,
        }
    }

    fn says(&self, extension: &str) -> Option<&'a Value> {
        self.schema?.get(extension)
    }

    fn is_marked(&self, extension: &str) -> bool {
        self.says(extension) == Some(&Value::Bool(true))
    }

    /// The schema itself.
    pub(crate) fn schema(&self) -> Option<&'a Value> {
        self.schema
    }

    /// Whether nothing is known.
    pub(crate) fn is_unknown(&self) -> bool {
        self.schema.is_none()
    }

    /// The JSON type that the schema names, empty where it names none.
    pub(crate) fn json_type(&self) -> &'a str {
        self.schema
            .map_or("", |schema| value::text(schema, &["type"]))
    }

    /// Whether fields that are not described are kept.
    pub(crate) fn keeps_unknown(&self) -> bool {
        self.is_marked("x-kubernetes-preserve-unknown-fields")
    }

    /// Whether an integer or a text may stand here.
    pub(crate) fn is_int_or_string(&self) -> bool {
        self.is_marked("x-kubernetes-int-or-string")
    }

    /// Whether a whole object with kind and metadata stands here.
    pub(crate) fn is_embedded(&self) -> bool {
        self.is_marked("x-kubernetes-embedded-resource")
    }

    /// Whether null is a value here.
    pub(crate) fn is_nullable(&self) -> bool {
        self.is_marked("nullable")
    }

    /// Whether this object is one value, not its fields.
    pub(crate) fn is_atomic_map(&self) -> bool {
        self.says("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic")
    }

    /// The described fields.
    pub(crate) fn fields(&self) -> impl Iterator<Item = (&'a String, Type<'a>)> + use<'a> {
        self.schema
            .and_then(|schema| value::map(schema, &["properties"]))
            .into_iter()
            .flatten()
            .map(|(name, schema)| (name, Type::of_schema(schema)))
    }

    /// A described field.
    pub(crate) fn field(&self, name: &str) -> Option<Type<'a>> {
        if self.name == CUSTOM_OBJECT && name == "metadata" {
            return Some(Type::built_in(OBJECT_META));
        }
        let schema = self.schema?.get("properties")?.get(name)?;
        // A list's marks stand beside a reference, never behind it, so that nothing is lost by following it.
        Some(Type::of_schema(schema))
    }

    /// Whether any field is described.
    pub(crate) fn is_struct(&self) -> bool {
        self.schema
            .is_some_and(|schema| schema.get("properties").is_some())
    }

    /// The type of a map's values, where it is a map.
    pub(crate) fn values(&self) -> Option<Type<'a>> {
        let schema = self.schema?.get("additionalProperties")?;
        match schema {
            Value::Bool(true) => Some(Type::UNKNOWN),
            Value::Object(_) => Some(Type::of_schema(schema)),
            _ => None,
        }
    }

    /// The type of what stands under a name: a field, a map's value, or unknown.
    pub(crate) fn child(&self, name: &str) -> Type<'a> {
        self.field(name)
            .or_else(|| self.values())
            .unwrap_or(Type::UNKNOWN)
    }

    /// The type of a list's items.
    pub(crate) fn item(&self) -> Type<'a> {
        self.schema
            .and_then(|schema| schema.get("items"))
            .map_or(Type::UNKNOWN, Type::of_schema)
    }

    /// How the items of this list belong together.
    pub(crate) fn items(&self) -> Items<'a> {
        match self.says("x-kubernetes-list-type").and_then(Value::as_str) {
            Some("set") => Items::Set,
            Some("map") => Items::Keyed(
                self.says("x-kubernetes-list-map-keys")
                    .and_then(Value::as_array)
                    .into_iter()
                    .flatten()
                    .filter_map(Value::as_str)
                    .collect(),
            ),
            _ => Items::Atomic,
        }
    }

    /// The field by which a strategic merge knows the items of this list; `Some("")` for a list of plain values that is merged.
    pub(crate) fn merge_key(&self) -> Option<&'a str> {
        let strategy = self
            .says("x-kubernetes-patch-strategy")
            .and_then(Value::as_str)?;
        strategy.contains("merge").then(|| {
            self.says("x-kubernetes-patch-merge-key")
                .and_then(Value::as_str)
                .unwrap_or("")
        })
    }

    /// The fields that must be there.
    pub(crate) fn required(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.schema
            .map_or(&[][..], |schema| value::list(schema, &["required"]))
            .iter()
            .filter_map(Value::as_str)
    }

    /// The default, where there is one.
    pub(crate) fn default(&self) -> Option<&'a Value> {
        self.says("default")
    }
}

/// The value of an item's key field; one that is left out has its default, as `protocol` of a port.
pub(crate) fn key_value<'v>(item_type: &Type<'v>, item: &'v Value, key: &str) -> Option<&'v Value> {
    value::get(item, &[key]).or_else(|| item_type.field(key)?.default())
}
