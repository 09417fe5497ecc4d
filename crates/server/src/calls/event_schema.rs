//! What an event looks like on its way in, for the description of the API: made of the table
//! of columns, so that it names what the parser takes.

use std::collections::BTreeMap;

use auditlake_model::columns::{CLASSIFICATIONS, COLUMNS, Kind, OUTCOMES, at};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

const DESCRIPTION: &str = "An audit event. Its tenant may be left out by a caller that is bound \
                           to one. `targets` stands for several targets: the first is `target`, \
                           and all of them are kept in `data`.";

/// An event; there are no values of it, only its description.
pub(crate) enum EventBody {}

impl ToSchema for EventBody {}

impl PartialSchema for EventBody {
    fn schema() -> RefOr<Schema> {
        let mut event = ObjectBuilder::new()
            .description(Some(DESCRIPTION))
            .required("type")
            .required("occurred_at");
        let mut groups: BTreeMap<&str, ObjectBuilder> = BTreeMap::new();
        for (position, column) in COLUMNS.iter().enumerate() {
            // What only the lake gives.
            if [at::SEQ, at::RECORDED_AT].contains(&position) {
                continue;
            }
            let value = value(position, column.kind);
            match column.group {
                None => event = event.property(column.key, value),
                Some(name) => {
                    let group = groups.remove(name).unwrap_or_default();
                    groups.insert(name, group.property(column.key, value));
                }
            }
        }
        for (name, group) in groups {
            event = event.property(name, group);
        }
        event.property("targets", ArrayBuilder::new().items(ObjectBuilder::new())).into()
    }
}

fn value(position: usize, kind: Kind) -> ObjectBuilder {
    let value = ObjectBuilder::new();
    match (position, kind) {
        (_, Kind::Json) => value,
        (_, Kind::Time) => {
            let types = [Type::String, Type::Integer];
            value.schema_type(SchemaType::Array(types.to_vec())).description(Some(
                "RFC 3339 in any offset, or seconds, milliseconds or microseconds since 1970.",
            ))
        }
        (_, Kind::Seq) => value.schema_type(Type::Integer),
        (at::OUTCOME, _) => value.schema_type(Type::String).enum_values(Some(OUTCOMES)),
        (at::CLASSIFICATION, _) => {
            value.schema_type(Type::String).enum_values(Some(CLASSIFICATIONS))
        }
        (at::ID | at::TYPE | at::TENANT_ID, _) => {
            value.schema_type(Type::String).min_length(Some(1)).max_length(Some(256))
        }
        _ => value.schema_type(Type::String),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_every_key_that_a_client_gives() {
        let schema = serde_json::to_value(EventBody::schema()).unwrap();
        let event = &schema["properties"];
        for (position, column) in COLUMNS.iter().enumerate() {
            let given = match column.group {
                Some(group) => &event[group]["properties"][column.key],
                None => &event[column.key],
            };
            let is_given = ![at::SEQ, at::RECORDED_AT].contains(&position);
            assert_eq!(given.is_object(), is_given, "{}", column.name);
        }
        assert_eq!(schema["required"], serde_json::json!(["type", "occurred_at"]));
    }
}
