//! Identify and Authorize put together, for siblings that would otherwise ask twice, or many times.

use crate::app::{Access, Cx, Identity, Operation};
use crate::error::{Error, Invalid, Result};
use crate::model::{GroupStanding, Standing, Token, UserId};
use crate::ops::access::{
    Question, authorize, decide_in_group, decide_in_org, decide_on_platform, identify_actor,
};
use crate::ports::Class;

/// The most questions one [`AuthorizeMany`] asks.
pub const MAX_CHECKS: usize = 200;

/// Says whose token this is, provided that they may do this.
///
/// It fails as [`super::access::Authorize`] does, and then says nothing of who they are.
#[derive(Debug)]
pub struct IdentifyAndAuthorize {
    /// The token: a login token, or an API key, which acts for its owner.
    pub token: Token,
    /// What is asked.
    pub question: Question,
}

impl Operation for IdentifyAndAuthorize {
    type Output = Identity;
    const NAME: &'static str = "identify_and_authorize";
    const HOT: bool = true;
    const CLASS: Class = Class::Checks;

    fn access(&self) -> Access {
        Access::Anyone
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Identity> {
        let identity = identify_actor(cx, &self.token).await?;
        authorize(cx, &identity, self.question).await?;
        Ok(identity)
    }
}

/// Says of many things whether the token's user may do them, all from one snapshot.
#[derive(Debug)]
pub struct AuthorizeMany {
    /// The token: a login token, or an API key, which acts for its owner.
    pub token: Token,
    /// What is asked: 1 to [`MAX_CHECKS`] questions.
    pub questions: Vec<Question>,
}

/// The answer to one question of [`AuthorizeMany`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// They may.
    Allowed,
    /// They may not.
    Denied,
    /// There is no such org; only somebody with a platform role is told.
    NotFound,
}

impl Verdict {
    /// What [`super::access::Authorize`] says, as one of many answers.
    fn of(decision: Result<()>) -> Result<Self> {
        match decision {
            Ok(()) => Ok(Self::Allowed),
            Err(Error::Forbidden) => Ok(Self::Denied),
            Err(Error::NotFound(_)) => Ok(Self::NotFound),
            Err(other) => Err(other),
        }
    }
}

impl Operation for AuthorizeMany {
    /// One verdict for each question, in their order.
    type Output = Vec<Verdict>;
    const NAME: &'static str = "authorize_many";
    const HOT: bool = true;
    const CLASS: Class = Class::Checks;

    fn access(&self) -> Access {
        Access::Anyone
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Vec<Verdict>> {
        match self.questions.len() {
            0 => return Err(Invalid::EmptyList.into()),
            1..=MAX_CHECKS => {}
            _ => return Err(Invalid::ListTooLong.into()),
        }
        let identity = identify_actor(cx, &self.token).await?;
        // What a question is not about is passed on as no org, which keeps the answers in their places.
        let orgs: Vec<_> = self.questions.iter().map(|question| question.org()).collect();
        let groups: Vec<_> =
            self.questions.iter().filter_map(|question| question.group()).collect();
        let (standings, in_groups) = if groups.is_empty() {
            (cx.store().standings(identity.user, &orgs).await?, Vec::new())
        } else {
            cx.store().joint_standings(identity.user, &orgs, &groups).await?
        };
        if standings.len() != self.questions.len() {
            return Err(Error::internal("the store answered another number of questions"));
        }
        standings
            .into_iter()
            .zip(self.questions)
            .map(|(standing, question)| {
                Verdict::of(decide(identity.user, standing, &in_groups, question))
            })
            .collect()
    }
}

fn decide(
    user: UserId,
    standing: Standing,
    in_groups: &[GroupStanding],
    question: Question,
) -> Result<()> {
    match question {
        Question::Root => decide_on_platform(standing),
        Question::Org(_, action) => decide_in_org(standing, action),
        Question::Group(group, needed) => {
            let found = in_groups.iter().find(|standing| Some(standing.group) == group);
            decide_in_group(user, found, needed)
        }
    }
}
