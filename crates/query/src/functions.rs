//! The SQL functions that DataFusion lacks: addresses in networks, and JSON.

mod json_except;
mod network;

use datafusion::logical_expr::{Expr, ScalarUDF};
use datafusion::prelude::SessionContext;
use ipnet::IpNet;

use crate::error::QueryError;

/// Makes every function known to a session.
pub(crate) fn register(context: &SessionContext) -> Result<(), QueryError> {
    let mut state = context.state();
    datafusion_functions_json::register_all(&mut state)?;
    for function in state.scalar_functions().values() {
        context.register_udf(ScalarUDF::clone(function));
    }
    context.register_udf(ScalarUDF::from(json_except::JsonExcept::new()));
    context.register_udf(ScalarUDF::from(network::InNetwork::new()));
    Ok(())
}

/// Whether a column's address lies in a network.
pub(crate) fn in_network(column: Expr, network: IpNet) -> Expr {
    let network = datafusion::logical_expr::lit(network.to_string());
    ScalarUDF::from(network::InNetwork::new()).call(vec![column, network])
}
