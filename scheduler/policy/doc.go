// Package policy holds the scorers Cube places by, a file each, and the one
// registry that names them.
//
// A scorer says what it costs to place a demand on a node; the formula and its
// source are in its doc comment. All scores are on one scale, 0 to 100, higher
// is better, so that scorers can be weighed against each other:
// "epvm=2,spread=1" is the mean of the two scores, epvm counting twice.
//
// Figures of a node: "use" is what the scheduler expects to be in use, which
// is what was measured and what was placed since and is not measured yet;
// "promised" is the sum of requests.
//
// In this room belong pure functions of a node's figures and a demand. It
// imports package scheduler and nothing else of Cube.
package policy
