package cli

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/plan"
)

// length is a flag's length of time, written as in the plan: 90s, 2h, 3d, 1w.
type length time.Duration

// Set reads it.
func (l *length) Set(s string) error {
	d, err := plan.ParseDuration(s)
	*l = length(d)
	return err
}

// String writes it; "" for none, which help shows as no default.
func (l *length) String() string {
	if *l == 0 {
		return ""
	}
	return plan.Duration(*l).String()
}

// Type is what help calls it.
func (l *length) Type() string { return "duration" }

// lengthVar is a flag for a length of time. Every such flag is one: days and
// weeks are taken everywhere, and a sign nowhere.
func lengthVar(cmd *cobra.Command, to *time.Duration, name string, preset time.Duration, help string) {
	*to = preset
	cmd.Flags().Var((*length)(to), name, help)
}
