//! A loser tree (tournament tree): finds the least of several runs with one comparison per level.

/// A tournament between players numbered from 0. `precedes(a, b)` returns whether `a` comes before `b`; it must be a strict
/// order.
#[derive(Debug)]
pub(super) struct LoserTree {
    players: usize,
    /// The loser at each inner node. The root is node 1, and the children of node `n` are `2n` and `2n + 1`.
    losers: Vec<usize>,
    winner: usize,
}

impl LoserTree {
    /// Plays the whole tournament.
    pub(super) fn new(players: usize, precedes: impl Fn(usize, usize) -> bool) -> Self {
        let mut tree = Self { players, losers: vec![0; players.max(1)], winner: 0 };
        // The winner at each node, from the leaves up. Player `p` is the leaf `players + p`.
        let mut winners = vec![0; 2 * players.max(1)];
        for node in (1..2 * players).rev() {
            let winner = match node.checked_sub(players) {
                Some(player) => player,
                None => {
                    let (left, right) = (winners[2 * node], winners[2 * node + 1]);
                    let (winner, loser) = if precedes(right, left) { (right, left) } else { (left, right) };
                    tree.losers[node] = loser;
                    winner
                }
            };
            winners[node] = winner;
        }
        tree.winner = winners.get(1).copied().unwrap_or(0);
        tree
    }

    /// Returns the player that comes first.
    pub(super) fn winner(&self) -> usize {
        self.winner
    }

    /// Replays the winner's matches after the winner's row has changed.
    pub(super) fn replay(&mut self, precedes: impl Fn(usize, usize) -> bool) {
        let mut node = (self.players + self.winner) / 2;
        while node > 0 {
            if precedes(self.losers[node], self.winner) {
                std::mem::swap(&mut self.losers[node], &mut self.winner);
            }
            node /= 2;
        }
    }
}
