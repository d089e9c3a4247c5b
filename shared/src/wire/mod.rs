//! The wire format between agent and collector. A version is frozen once released; `latest` names the one that this
//! build speaks. Unknown fields are tolerated, unknown sections are kept and reported.

pub mod limits;
pub mod problem;
pub mod schema;
pub mod v1;

pub use problem::Problem;
pub use v1 as latest;
