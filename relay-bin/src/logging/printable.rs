//! Which characters may stand in a record as they are; both formats escape the others.

/// Whether a character can be shown: not a control, format, private or unassigned one, and no space but U+0020.
pub(super) fn is_printable(c: char) -> bool {
    match c {
        ' '..='~' => true,
        '\0'..='\u{9f}' => false,
        _ => {
            // The standard library's table is only to be had through `escape_debug`.
            // Behind another character, combining marks count as printable.
            let mut buffer = [b'x'; 5];
            let end = 1 + c.encode_utf8(&mut buffer[1..]).len();
            str::from_utf8(&buffer[..end]).is_ok_and(|text| text.escape_debug().eq(text.chars()))
        }
    }
}
