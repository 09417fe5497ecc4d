//! `json_except(json, key, …)`: a JSON object without some of its top-level keys, the rest
//! byte for byte. An import uses it to keep in `data` what has no column.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct JsonExcept {
    signature: Signature,
}

impl JsonExcept {
    pub(super) fn new() -> Self {
        Self { signature: Signature::variadic_any(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for JsonExcept {
    fn name(&self) -> &'static str {
        "json_except"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let Some((json, keys)) = arguments.args.split_first() else {
            return exec_err!("json_except takes a JSON object and the keys to leave out");
        };
        let mut left_out = Vec::with_capacity(keys.len());
        for key in keys {
            match key {
                ColumnarValue::Scalar(key) => left_out.extend(key.try_as_str().flatten()),
                ColumnarValue::Array(_) => {
                    return exec_err!("json_except takes the same keys for all rows");
                }
            }
        }
        let json = cast(&json.to_array(arguments.number_rows)?, &DataType::Utf8)?;
        let mut kept = Vec::with_capacity(json.len());
        for object in json.as_string::<i32>() {
            kept.push(object.map(|object| without(object, &left_out)).transpose()?.flatten());
        }
        let kept: ArrayRef = Arc::new(StringArray::from(kept));
        Ok(ColumnarValue::Array(kept))
    }
}

/// The object's other members; none when there are none.
fn without(object: &str, keys: &[&str]) -> Result<Option<String>> {
    let members: Members<'_> = match serde_json::from_str(object) {
        Ok(members) => members,
        Err(source) => return exec_err!("json_except: no JSON object: {source}"),
    };
    let mut out = String::with_capacity(object.len());
    for (key, value) in members.0 {
        let name: std::borrow::Cow<'_, str> = match serde_json::from_str(key.get()) {
            Ok(name) => name,
            Err(source) => return exec_err!("json_except: {source}"),
        };
        if !keys.contains(&name.as_ref()) {
            out.push(if out.is_empty() { '{' } else { ',' });
            out.push_str(key.get());
            out.push(':');
            out.push_str(value.get());
        }
    }
    if out.is_empty() {
        return Ok(None);
    }
    out.push('}');
    Ok(Some(out))
}

/// An object's members as they stand, in their order.
struct Members<'a>(Vec<(&'a RawValue, &'a RawValue)>);

impl<'a> Deserialize<'a> for Members<'a> {
    fn deserialize<D: Deserializer<'a>>(input: D) -> std::result::Result<Self, D::Error> {
        struct InOrder;

        impl<'a> Visitor<'a> for InOrder {
            type Value = Members<'a>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'a>>(
                self,
                mut map: A,
            ) -> std::result::Result<Members<'a>, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        input.deserialize_map(InOrder)
    }
}

#[cfg(test)]
mod tests {
    use super::without;

    #[test]
    fn keeps_the_rest_byte_for_byte() {
        let object = r#"{"a": {"b" :1.50}, "c":"x\u00e9", "d":[ ]}"#;
        assert_eq!(without(object, &["c"]).unwrap().unwrap(), r#"{"a":{"b" :1.50},"d":[ ]}"#);
        assert_eq!(without(object, &["a", "c", "d"]).unwrap(), None);
        assert!(without("[]", &[]).is_err());
    }
}
