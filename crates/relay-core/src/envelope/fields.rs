//! The fields of a binary's envelope, collected from a JSON object without copying.
//!
//! It must not know what stands around the object.

use super::literal;
use super::parse::{Envelope, EnvelopeError, Malformed};
use super::scan::{Fault, Members};

/// The source text of each field as read so far.
#[derive(Default)]
pub(super) struct Fields<'a> {
    conn_id: Option<&'a str>,
    frame: Option<&'a str>,
    close_code: u16,
    push_wake: Option<&'a str>,
    /// The first wrong type. Kept, not returned at once, because broken JSON further on takes precedence.
    fault: Option<Malformed>,
}

impl<'a> Fields<'a> {
    /// Reads an object to its end.
    pub(super) fn read(mut members: Members<'_, 'a>) -> Result<Self, Fault> {
        let mut fields = Self::default();
        while let Some((key, value)) = members.next_member()? {
            if let Some(field) = Field::named(key) {
                fields.set(field, value);
            }
        }
        Ok(fields)
    }

    fn set(&mut self, field: Field, value: &'a str) {
        let given = (value != "null").then_some(value);
        match (field, given) {
            (Field::Frame, _) => self.frame = given,
            (Field::PushWake, _) => self.push_wake = given,
            (Field::ConnId | Field::CloseCode, None) => {}
            (Field::ConnId, Some(value)) if value.starts_with('"') => self.conn_id = Some(value),
            (Field::ConnId, Some(_)) => self.fail(Malformed::ConnId),
            // A valid JSON number that `u16` reads is an integer literal: JSON has no leading `+`, and `-0` is refused.
            (Field::CloseCode, Some(value)) => match value.parse() {
                Ok(code) => self.close_code = code,
                Err(_) => self.fail(Malformed::CloseCode),
            },
        }
    }

    fn fail(&mut self, fault: Malformed) {
        self.fault.get_or_insert(fault);
    }

    /// The envelope these fields make; malformed goes before missing `conn_id`, and that before missing frame.
    pub(super) fn resolve(self) -> Result<Envelope<'a>, EnvelopeError> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        let conn_id = self.conn_id.map(literal::text).unwrap_or_default();
        if conn_id.is_empty() {
            let request = self.push_wake.ok_or(EnvelopeError::MissingConnId)?;
            return Ok(Envelope::Wake(request.as_bytes()));
        }
        let frame = self.frame.map(str::as_bytes);
        let close_code = (self.close_code != 0).then_some(self.close_code);
        if frame.is_none() && close_code.is_none() {
            return Err(EnvelopeError::MissingFrame);
        }
        Ok(Envelope::Deliver {
            conn_id,
            frame,
            close_code,
        })
    }
}

#[derive(Clone, Copy)]
enum Field {
    ConnId,
    Frame,
    CloseCode,
    PushWake,
}

impl Field {
    fn named(key: &str) -> Option<Self> {
        match key {
            r#""conn_id""# => Some(Self::ConnId),
            r#""frame""# => Some(Self::Frame),
            r#""close_code""# => Some(Self::CloseCode),
            r#""push_wake""# => Some(Self::PushWake),
            _ => Self::spelled(key),
        }
    }

    #[cold]
    fn spelled(key: &str) -> Option<Self> {
        [
            ("conn_id", Self::ConnId),
            ("frame", Self::Frame),
            ("close_code", Self::CloseCode),
            ("push_wake", Self::PushWake),
        ]
        .into_iter()
        .find_map(|(name, field)| literal::spells(key, name).then_some(field))
    }
}
