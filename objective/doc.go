// Package objective is how good the system must be, and who is told when it is
// not: what the plan declares becomes recording and alerting rules, error
// budgets, and alerts that are grouped, silenced, inhibited and delivered.
//
// It owns the rules' texts and the state of alerts. It must never import an
// engine or a wire: who evaluates the rules gives it their alerts, and doors
// deliver (objective/webhook).
package objective
