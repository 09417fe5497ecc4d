//! `in_network(address, network)`: whether an address lies in a network like `10.0.0.0/8`.

use std::net::IpAddr;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray};
use arrow::compute::{cast, take};
use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue, exec_err};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDFImpl, Signature, Volatility,
};
use ipnet::IpNet;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct InNetwork {
    signature: Signature,
}

impl InNetwork {
    pub(super) fn new() -> Self {
        Self { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for InNetwork {
    fn name(&self) -> &'static str {
        "in_network"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn invoke_with_args(&self, arguments: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [addresses, network] = arguments.args.as_slice() else {
            return exec_err!("in_network takes an address and a network");
        };
        let ColumnarValue::Scalar(network) = network else {
            return exec_err!("in_network takes one network for all rows");
        };
        let Some(Ok(network)) = network.try_as_str().flatten().map(str::parse::<IpNet>) else {
            return exec_err!("in_network: {network} is no network; give one like 10.0.0.0/8");
        };
        match addresses {
            ColumnarValue::Array(array) => Ok(ColumnarValue::Array(evaluate(array, network)?)),
            ColumnarValue::Scalar(address) => {
                let array = evaluate(&address.to_array()?, network)?;
                Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?))
            }
        }
    }
}

/// Looks at each value of a dictionary once.
fn evaluate(addresses: &ArrayRef, network: IpNet) -> Result<ArrayRef> {
    if let Some(dictionary) = addresses.as_any_dictionary_opt() {
        let values = evaluate(dictionary.values(), network)?;
        let keys = cast(dictionary.keys(), &DataType::Int32)?;
        return Ok(take(&values, &keys, None)?);
    }
    let text = cast(addresses, &DataType::Utf8)?;
    let inside = text.as_string::<i32>().iter().map(|address| {
        let address: IpAddr = address?.parse().ok()?;
        Some(network.contains(&address))
    });
    Ok(Arc::new(inside.collect::<BooleanArray>()))
}
