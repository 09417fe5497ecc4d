//! The parameter `where`: one SQL expression over the columns of an event, read, checked against
//! what is allowed, and taken apart.
//!
//! Nothing is allowed that is not listed here, and what is listed neither reads anything but the
//! event, nor makes a text longer than those it is given. Every refusal begins with `where:` and
//! says what is not allowed; none quotes an event.

use std::sync::Arc;

use arrow::datatypes::DataType;
use auditlake_model::columns::{COLUMNS, schema};
use datafusion::common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion::common::{DFSchema, DFSchemaRef, ScalarValue, SchemaError};
use datafusion::error::DataFusionError;
use datafusion::execution::SessionState;
use datafusion::logical_expr::simplify::SimplifyContext;
use datafusion::logical_expr::utils::split_conjunction_owned;
use datafusion::logical_expr::{Expr, ExprSchemable, Operator, lit};
use datafusion::optimizer::simplify_expressions::ExprSimplifier;
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::keywords::Keyword;
use datafusion::sql::sqlparser::tokenizer::{Token, Tokenizer};

use crate::error::QueryError;
use crate::guarded::flat;

/// The most words and signs of an expression, the values of lists aside: no expression is deeper
/// than it has words, and some steps of DataFusion take stack for each level.
const MAX_WORDS: usize = 300;
/// The most parts of an expression once it is read.
const MAX_NODES: usize = 4096;

/// Functions by the names that DataFusion has for them; it knows others for some. They are
/// those of the same event at any time, whose answer is no longer than what they are given.
const FUNCTIONS: [&str; 32] = [
    "btrim",
    "character_length",
    "coalesce",
    "contains",
    "date_part",
    "date_trunc",
    "ends_with",
    "in_network",
    "json_as_text",
    "json_contains",
    "json_get_bool",
    "json_get_float",
    "json_get_int",
    "json_get_json",
    "json_get_str",
    "json_length",
    "left",
    "lower",
    "ltrim",
    "nullif",
    "octet_length",
    "regexp_like",
    "right",
    "rtrim",
    "split_part",
    "starts_with",
    "strpos",
    "substr",
    "to_date",
    "to_timestamp",
    "to_timestamp_millis",
    "upper",
];

/// An expression taken apart; the event is meant where all of the parts hold.
#[derive(Debug, Default)]
pub(crate) struct Conditions {
    /// Comparisons of a column with a value, which cannot fail on any event.
    pub(crate) plain: Vec<Expr>,
    /// All else, over the columns with texts in place of dictionaries.
    pub(crate) other: Vec<Expr>,
}

impl Conditions {
    /// Reads expressions, all of which are to hold.
    pub(crate) fn read(state: &SessionState, texts: &[String]) -> Result<Self, QueryError> {
        let stored = DFSchema::try_from(schema()).map(Arc::new)?;
        let columns = DFSchema::try_from(flat(&schema())).map(Arc::new)?;
        let mut conditions = Self::default();
        for text in texts {
            for part in split_conjunction_owned(read(state, &columns, text)?) {
                match part {
                    Expr::Literal(ScalarValue::Boolean(Some(true)), _) => {}
                    // What is unknown of every event means none of them.
                    Expr::Literal(..) => conditions.plain.push(lit(false)),
                    part => match as_stored(state, &stored, &part) {
                        Some(plain) => conditions.plain.push(plain),
                        None => conditions.other.push(part),
                    },
                }
            }
        }
        Ok(conditions)
    }
}

/// A plain comparison with its value of the type that the column is stored with, so that no
/// plan casts the column.
fn as_stored(state: &SessionState, stored: &DFSchemaRef, part: &Expr) -> Option<Expr> {
    let simplifier = is_plain(part).then(|| simplifier(state, stored))?;
    let typed = simplifier.coerce(part.clone(), stored).ok()?;
    simplifier.simplify(typed).ok().filter(is_plain)
}

fn simplifier(state: &SessionState, columns: &DFSchemaRef) -> ExprSimplifier {
    let context = SimplifyContext::builder()
        .with_schema(Arc::clone(columns))
        .with_config_options(Arc::clone(state.config_options()));
    ExprSimplifier::new(context.build())
}

fn refuse(why: impl std::fmt::Display) -> QueryError {
    QueryError::Invalid(format!("where: {why}"))
}

/// Reads one expression, its types made to agree with those of the columns.
fn read(state: &SessionState, columns: &DFSchemaRef, text: &str) -> Result<Expr, QueryError> {
    bounded(text)?;
    let read = state.create_logical_expr(text, columns).map_err(|error| unread(&error))?;
    // The planner notes under which name a function was called.
    let read = read.unalias_nested().data;
    allowed(&read)?;
    let simplifier = simplifier(state, columns);
    let typed = simplifier.coerce(read, columns).map_err(|error| unread(&error))?;
    let of_type = typed.get_type(columns).map_err(|error| unread(&error))?;
    if of_type != DataType::Boolean {
        return Err(refuse(format!("it must say yes or no, and gives {of_type}")));
    }
    let simple = simplifier.simplify(typed).map_err(|error| unread(&error))?;
    // What cannot be evaluated at all is told before anything is read.
    state.create_physical_expr(simple.clone(), columns).map_err(|error| unread(&error))?;
    Ok(simple)
}

/// Refuses what is too large to be looked at closer, and queries within the expression.
fn bounded(text: &str) -> Result<(), QueryError> {
    let tokens = Tokenizer::new(&GenericDialect {}, text).tokenize().map_err(refuse)?;
    let (mut words, mut is_in_list) = (0, false);
    for token in &tokens {
        match token {
            Token::Whitespace(_) => continue,
            Token::Comma | Token::LParen | Token::RParen => {}
            Token::Number(..) | Token::SingleQuotedString(_) if is_in_list => {}
            Token::Word(word) if word.keyword == Keyword::SELECT => {
                return Err(refuse("a query within the expression is not allowed"));
            }
            _ => words += 1,
        }
        is_in_list = matches!(token, Token::Comma | Token::LParen);
    }
    if words > MAX_WORDS {
        return Err(refuse(format!("it has {words} words and signs; at most {MAX_WORDS} may be")));
    }
    Ok(())
}

/// What DataFusion says of an expression that it cannot read, without its own frame.
fn unread(error: &DataFusionError) -> QueryError {
    match error.find_root() {
        DataFusionError::SchemaError(source, _) => match source.as_ref() {
            SchemaError::FieldNotFound { field, .. } => {
                let names: Vec<_> = COLUMNS.iter().map(|column| column.name).collect();
                let (name, names) = (field.flat_name(), names.join(", "));
                refuse(format!("{name} is no column; the columns are {names}"))
            }
            _ => refuse(source),
        },
        DataFusionError::SQL(source, _) => refuse(source),
        DataFusionError::Plan(why)
        | DataFusionError::NotImplemented(why)
        | DataFusionError::Execution(why)
        | DataFusionError::Internal(why)
        | DataFusionError::Configuration(why) => refuse(why.lines().next().unwrap_or_default()),
        DataFusionError::ArrowError(source, _) => refuse(source),
        _ => refuse("it cannot be understood"),
    }
}

/// Refuses what is not listed.
fn allowed(expression: &Expr) -> Result<(), QueryError> {
    let (mut nodes, mut refused) = (0, None);
    expression.apply(|node| {
        nodes += 1;
        refused = not_allowed(node);
        if refused.is_none() && nodes > MAX_NODES {
            refused = Some(format!("it has more than {MAX_NODES} parts"));
        }
        let goes_on = refused.is_none();
        Ok(if goes_on { TreeNodeRecursion::Continue } else { TreeNodeRecursion::Stop })
    })?;
    refused.map_or(Ok(()), |why| Err(refuse(why)))
}

/// Why one node of an expression is not allowed, if it is not.
fn not_allowed(node: &Expr) -> Option<String> {
    let what = match node {
        Expr::Column(_)
        | Expr::Literal(..)
        | Expr::Like(_)
        | Expr::Not(_)
        | Expr::IsNotNull(_)
        | Expr::IsNull(_)
        | Expr::IsTrue(_)
        | Expr::IsFalse(_)
        | Expr::IsUnknown(_)
        | Expr::IsNotTrue(_)
        | Expr::IsNotFalse(_)
        | Expr::IsNotUnknown(_)
        | Expr::Negative(_)
        | Expr::Between(_)
        | Expr::Case(_)
        | Expr::InList(_) => return None,
        Expr::Cast(cast) => return not_a_type(cast.field.data_type()),
        Expr::TryCast(cast) => return not_a_type(cast.field.data_type()),
        Expr::BinaryExpr(binary) if is_operator(binary.op) => return None,
        Expr::BinaryExpr(binary) => return Some(format!("{} is not allowed", binary.op)),
        Expr::ScalarFunction(call) if FUNCTIONS.contains(&call.name()) => return None,
        Expr::ScalarFunction(call) => {
            let functions = FUNCTIONS.join(", ");
            let name = call.name();
            return Some(format!("the function {name} is not allowed; allowed are {functions}"));
        }
        Expr::SimilarTo(_) => "SIMILAR TO",
        Expr::AggregateFunction(_) => "an aggregate",
        Expr::WindowFunction(_) => "a window function",
        Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::SetComparison(_)
        | Expr::ScalarSubquery(_)
        | Expr::OuterReferenceColumn(..) => "a query within the expression",
        Expr::ScalarVariable(..) => "a variable",
        Expr::Placeholder(_) => "a placeholder",
        other => return Some(format!("{} is not allowed", other.variant_name())),
    };
    Some(format!("{what} is not allowed"))
}

/// Casts go between plain values only: a value of another type may be as large as it likes.
fn not_a_type(wanted: &DataType) -> Option<String> {
    let is_plain = wanted.is_primitive()
        || matches!(wanted, DataType::Boolean | DataType::Utf8 | DataType::Utf8View);
    (!is_plain).then(|| format!("a cast to {wanted} is not allowed"))
}

/// `||` is not among them, because it makes texts longer.
fn is_operator(operator: Operator) -> bool {
    is_comparison(operator)
        || matches!(
            operator,
            Operator::Plus
                | Operator::Minus
                | Operator::Multiply
                | Operator::Divide
                | Operator::Modulo
                | Operator::And
                | Operator::Or
                | Operator::IsDistinctFrom
                | Operator::IsNotDistinctFrom
                | Operator::RegexMatch
                | Operator::RegexIMatch
                | Operator::RegexNotMatch
                | Operator::RegexNotIMatch
        )
}

fn is_comparison(operator: Operator) -> bool {
    matches!(
        operator,
        Operator::Eq
            | Operator::NotEq
            | Operator::Lt
            | Operator::LtEq
            | Operator::Gt
            | Operator::GtEq
    )
}

/// Whether an expression consists of comparisons of a column with a value: it cannot fail on any
/// event, so that it may be evaluated on one that the caller may not see, and it can prune.
pub(crate) fn is_plain(expression: &Expr) -> bool {
    let mut is_plain = true;
    let walked = expression.apply(|node| {
        Ok(match node {
            Expr::BinaryExpr(joined) if matches!(joined.op, Operator::And | Operator::Or) => {
                TreeNodeRecursion::Continue
            }
            Expr::Not(_) => TreeNodeRecursion::Continue,
            node if compares(node) => TreeNodeRecursion::Jump,
            _ => {
                is_plain = false;
                TreeNodeRecursion::Stop
            }
        })
    });
    walked.is_ok() && is_plain
}

/// Whether it compares a column with values.
fn compares(node: &Expr) -> bool {
    let is_column = |side: &Expr| matches!(side, Expr::Column(_));
    match node {
        Expr::BinaryExpr(binary) => {
            let sides = (binary.left.as_ref(), binary.right.as_ref());
            is_comparison(binary.op)
                && ((is_column(sides.0) && is_value(sides.1))
                    || (is_value(sides.0) && is_column(sides.1)))
        }
        Expr::Like(like) => {
            is_column(&like.expr) && is_value(&like.pattern) && like.escape_char.is_none()
        }
        Expr::IsNull(inner) | Expr::IsNotNull(inner) => is_column(inner),
        Expr::Between(between) => {
            is_column(&between.expr) && is_value(&between.low) && is_value(&between.high)
        }
        Expr::InList(list) => is_column(&list.expr) && list.list.iter().all(is_value),
        _ => false,
    }
}

/// Whether it is a value, and a known one: of a null nothing can be proven.
fn is_value(side: &Expr) -> bool {
    matches!(side, Expr::Literal(value, _) if !value.is_null())
}
