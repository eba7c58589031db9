//! The objects of a running cluster, as `kubectl get … -A -o yaml` dumps them: read piece by piece, so that no dump has to fit
//! into memory as a tree of values. What cannot be read is an error of its own, and the other objects are read all the same.
//!
//! `pieces` splits the text of a dump, `object` makes a request of each piece.

mod object;
mod pieces;

pub use self::object::{DumpedObject, ObjectReader, Owner, ReadObject, Unreadable};
pub use self::pieces::{Piece, Pieces};
