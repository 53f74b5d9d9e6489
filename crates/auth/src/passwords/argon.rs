//! The hashes that are made here: Argon2id (RFC 9106), spelled as a PHC string.

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use auth_domain::model::PasswordHash;
use auth_domain::{Error, Result};
use aws_lc_rs::rand;

/// How many blocks, of 1 KiB, are asked for at least; only those that are needed are touched. What
/// is larger than 32 MiB goes back to the system as soon as it is freed; smaller pieces the C
/// library keeps for each thread that ever hashed.
const GIVEN_BACK: usize = 33 * 1024;

/// A hash of the password at this cost, with a salt of its own.
pub(super) fn hash(
    params: &Params,
    password: &[u8],
    memory: &mut Vec<Block>,
) -> Result<PasswordHash> {
    let mut salt = [0; Salt::RECOMMENDED_LENGTH];
    rand::fill(&mut salt).map_err(|_| Error::internal("no randomness"))?;
    let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    fill(&Argon2::new(algorithm, version, params.clone()), password, &salt, &mut output, memory)?;
    let spelled = || {
        let phc = Phc {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(params)?,
            salt: Some(Salt::new(&salt)?),
            hash: Some(Output::new(&output)?),
        };
        argon2::password_hash::Result::Ok(PasswordHash::new(phc.to_string()))
    };
    spelled().map_err(|error| Error::internal(format!("spelling a password hash: {error}")))
}

/// An Argon2 hash that was taken apart.
pub(super) struct Hashed<'a> {
    argon: Argon2<'a>,
    salt: Salt,
    expected: Output,
}

impl Hashed<'_> {
    pub(super) fn read(known: &PasswordHash) -> Result<Self> {
        let odd = || Error::internal("a stored password hash is none of ours");
        let phc = Phc::new(known.expose()).map_err(|_| odd())?;
        let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(|_| odd())?;
        let version = phc.version.ok_or_else(odd)?.try_into().map_err(|_| odd())?;
        let params = Params::try_from(&phc).map_err(|_| odd())?;
        let (salt, expected) = (phc.salt.ok_or_else(odd)?, phc.hash.ok_or_else(odd)?);
        Ok(Self { argon: Argon2::new(algorithm, version, params), salt, expected })
    }

    /// Whether it costs no more memory and no more time than this.
    pub(super) fn asks_for_at_most(&self, most: &Params) -> bool {
        let params = self.argon.params();
        params.m_cost() <= most.m_cost()
            && params.t_cost() <= most.t_cost()
            && params.p_cost() <= most.p_cost()
    }
}

/// Whether the password has this hash, whatever the cost it was made at.
pub(super) fn matches(
    known: &PasswordHash,
    password: &[u8],
    memory: &mut Vec<Block>,
) -> Result<bool> {
    let odd = || Error::internal("a stored password hash is none of ours");
    let Hashed { argon, salt, expected } = Hashed::read(known)?;
    let mut output = [0; Output::MAX_LENGTH];
    let output = output.get_mut(..expected.len()).ok_or_else(odd)?;
    fill(&argon, password, &salt, output, memory)?;
    // Compares in constant time.
    Ok(Output::new(output).map_err(|_| odd())? == expected)
}

/// The hash itself, in memory that may have been used before and is overwritten.
fn fill(
    argon: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Vec<Block>,
) -> Result<()> {
    let blocks = argon.params().block_count();
    memory.reserve_exact(blocks.max(GIVEN_BACK).saturating_sub(memory.len()));
    memory.resize(blocks.max(memory.len()), Block::new());
    let memory = memory.get_mut(..blocks).unwrap_or_default();
    argon
        .hash_password_into_with_memory(password, salt, output, memory)
        .map_err(|error| Error::internal(format!("hashing a password: {error}")))
}
