//! Everything about the console's table in the hub: what stands in it, how it is kept, what it says of the sandboxes.
//!
//! Two functions. `console-feed` ([`feed`]): what the sandboxes report becomes rows ([`row`]) of the table ([`table`]),
//! and every five minutes the rows that are signs of life become a judgement of every sandbox's health ([`health`]).
//! `console-command` ([`command`]): what is asked of the sandboxes is sent to them, and stands in the table until they
//! answer; budgets are set in the hub itself ([`hub`]).

pub mod command;
pub mod feed;
pub mod health;
pub mod hub;
pub mod row;
pub mod table;
