// Package callers is the programs that call others by themselves, past plat's
// listeners: what each may call and how, which of it they have in force, and
// what they tell of their calls.
//
// It must never import another room: who is in rotation, what the plan says and
// who hears what is told come from control.
package callers
