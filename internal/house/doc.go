// Package house holds no code: its tests are the rules of the house.
//
// Contract: each rule is one checker function that takes sources (or a
// document) and returns complaints, one test that runs it over the whole tree,
// and one test that feeds it a bad sample and expects a complaint, so that a
// rule which silently stopped working is noticed. The rules themselves are
// decided in DESIGN.md section 1 and docs/ARCHITECTURE.md; a complaint names
// the file, the line and what to do instead.
//
// Exceptions are lists in the tests, each entry with a reason. Size exceptions
// are ratchets: they record the present size and fail when the code grows past
// it or shrinks below it, so they can only get smaller.
//
// Limits: syntax only, no type checking, so that the whole package runs in a
// few seconds. A rule that needs types belongs to a linter.
package house
