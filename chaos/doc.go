// Package chaos owns failures on purpose: experiments, in which a system must
// stay steady while something of it fails, and the rehearsal, which lets each
// declared dependency fail and holds what customers see to what the plan
// promises of it.
//
// It decides what fails, when that is enough, and what it showed; it plays
// nothing itself and must never import another room. What it did is undone
// when an experiment ends, in whatever way.
package chaos
