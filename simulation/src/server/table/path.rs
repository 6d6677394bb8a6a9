//! The JSONPath of `additionalPrinterColumns`: fields, escaped dots, an index, and one filter by equality.

use serde_json::Value;

/// One step on the way.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Field(String),
    /// An index; negative ones count from the end.
    Index(i64),
    /// All of a list.
    All,
    /// The entries of a list whose field has this value.
    Where(String, String),
}

/// The first value that the path finds; none where there is none, or the path is not one that columns have.
pub(super) fn first<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    find(object, &steps(path)?)
}

fn find<'a>(at: &'a Value, steps: &[Step]) -> Option<&'a Value> {
    let Some((step, rest)) = steps.split_first() else {
        return (!at.is_null()).then_some(at);
    };
    match step {
        Step::Field(name) => find(at.get(name)?, rest),
        Step::Index(index) => {
            let list = at.as_array()?;
            let index = if *index < 0 {
                list.len().checked_sub(usize::try_from(-index).ok()?)?
            } else {
                usize::try_from(*index).ok()?
            };
            find(list.get(index)?, rest)
        }
        Step::All => at.as_array()?.iter().find_map(|entry| find(entry, rest)),
        Step::Where(field, wanted) => at
            .as_array()?
            .iter()
            .filter(|entry| entry.get(field).and_then(Value::as_str) == Some(wanted))
            .find_map(|entry| find(entry, rest)),
    }
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut steps = Vec::new();
    let mut rest = path;
    while !rest.is_empty() {
        if let Some(inside) = rest.strip_prefix('[') {
            let (bracket, after) = inside.split_once(']')?;
            steps.push(bracketed(bracket)?);
            rest = after;
        } else {
            let (name, after) = field(rest.strip_prefix('.').unwrap_or(rest));
            if name.is_empty() {
                return None;
            }
            steps.push(Step::Field(name));
            rest = after;
        }
    }
    Some(steps)
}

/// A field's name up to the next dot or bracket; a backslash takes the meaning from what follows it.
fn field(text: &str) -> (String, &str) {
    let mut name = String::new();
    let mut escaped = false;
    for (at, character) in text.char_indices() {
        match character {
            _ if escaped => {
                name.push(character);
                escaped = false;
            }
            '\\' => escaped = true,
            '.' | '[' => return (name, &text[at..]),
            _ => name.push(character),
        }
    }
    (name, "")
}

fn bracketed(text: &str) -> Option<Step> {
    if text == "*" {
        return Some(Step::All);
    }
    if let Ok(index) = text.parse() {
        return Some(Step::Index(index));
    }
    if let Some(name) = unquoted(text) {
        return Some(Step::Field(name.to_owned()));
    }
    let (field, wanted) = text
        .strip_prefix("?(@.")?
        .strip_suffix(')')?
        .split_once("==")?;
    Some(Step::Where(
        field.trim().to_owned(),
        unquoted(wanted.trim())?.to_owned(),
    ))
}

fn unquoted(text: &str) -> Option<&str> {
    ['"', '\'']
        .into_iter()
        .find_map(|quote| text.strip_prefix(quote)?.strip_suffix(quote))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_finds_the_first_value_that_fits() {
        let object = json!({"a": [{"k": "x", "v": 1}, {"k": "y", "v": 2}], "b.c": {"d": "e"}});
        for (path, found) in [
            (".a[0].v", Some(json!(1))),
            (".a[-1].v", Some(json!(2))),
            (".a[*].v", Some(json!(1))),
            (".a[?(@.k==\"y\")].v", Some(json!(2))),
            (".a[?(@.k=='z')].v", None),
            (r".b\.c.d", Some(json!("e"))),
            (".['b.c'].d", None),
            ("['b.c'].d", Some(json!("e"))),
            (".a[7].v", None),
            ("..", None),
        ] {
            assert_eq!(first(&object, path), found.as_ref(), "{path}");
        }
    }
}
