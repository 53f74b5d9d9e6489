//! What must not be done to a secret does not compile. Here it would not, if it could be done.

use auth_domain::model::{PasswordHash, Token};

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
    <Token as Incomparable<_>>::check();
    <PasswordHash as Incomparable<_>>::check();
    <secrecy::SecretString as Incomparable<_>>::check();
}
