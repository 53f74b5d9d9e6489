//! What must not be done to a secret does not compile. Here it would not, if it could be done.

use auth_domain::model::{
    Content, Draft, Grant, NextRefresh, PasswordHash, RefreshToken, Registration, TicketSecret,
    Token,
};
use auth_jwt::{
    HmacCursors, HmacNotary, HmacPseudonyms, HmacSeals, HmacTickets, JwtTokens, KeyRing, RingKey,
    SigningKey,
};

/// Two ways to say `check` for whatever can be compared, and one for whatever cannot: with two, the
/// compiler asks which.
trait Incomparable<Way> {
    fn check() {}
}

struct ByEquality;

impl<T: ?Sized> Incomparable<()> for T {}
impl<T: ?Sized + PartialEq> Incomparable<ByEquality> for T {}

/// S-12: `==` takes as long as two texts agree.
#[test]
fn s12_secrets_have_no_equality() {
    <secrecy::SecretString as Incomparable<_>>::check();
    <Token as Incomparable<_>>::check();
    <RefreshToken as Incomparable<_>>::check();
    <PasswordHash as Incomparable<_>>::check();
    <TicketSecret as Incomparable<_>>::check();
}

#[test]
fn s12_nor_has_what_holds_one() {
    <NextRefresh as Incomparable<_>>::check();
    <Registration as Incomparable<_>>::check();
    <Grant as Incomparable<_>>::check();
    <Content as Incomparable<_>>::check();
    <Draft as Incomparable<_>>::check();
}

#[test]
fn s12_nor_has_a_key_that_signs() {
    <SigningKey as Incomparable<_>>::check();
    <RingKey as Incomparable<_>>::check();
    <KeyRing as Incomparable<_>>::check();
    <JwtTokens as Incomparable<_>>::check();
    <HmacTickets as Incomparable<_>>::check();
    <HmacCursors as Incomparable<_>>::check();
    <HmacSeals as Incomparable<_>>::check();
    <HmacNotary as Incomparable<_>>::check();
    <HmacPseudonyms as Incomparable<_>>::check();
}
