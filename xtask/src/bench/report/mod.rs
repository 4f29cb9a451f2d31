//! What a run leaves: a table, a document for machines, a page for people.

pub(super) mod html;
pub(super) mod json;
pub(super) mod terminal;
