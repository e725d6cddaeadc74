package cli

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/plat-dev/plat/api"
	"github.com/plat-dev/plat/cli/chart"
	"github.com/plat-dev/plat/fault"
	"github.com/plat-dev/plat/plan"
)

func (a *app) mapVerb() *cobra.Command {
	var (
		around     string
		undeclared bool
	)
	cmd := &cobra.Command{
		Use:     "map",
		Short:   "Draw who calls whom, declared and seen",
		Long:    "Prints the running system as a graph: a line an edge, with what the plan declares\nand what was seen of it, or a drawing as Mermaid, DOT or SVG.\n\nSTATE is seen (and declared), declared (and never seen), or undeclared (seen against\nthe plan). RATE, P95 and ERRORS are of the last five minutes;\n-o json has the last minute and the last hour too.",
		Example: "  plat map\n  plat map --around order\n  plat map --undeclared\n  plat map -o svg > map.svg\n  plat map -o dot | dot -Tpng -o map.png  # by Graphviz\n  plat map -o mermaid                     # to paste into Markdown",
		GroupID: "monitoring",
		Args:    args(0, 0, "no arguments"),
	}
	a.outputs(cmd, "text", "mermaid", "dot", "svg", "json", "yaml")
	cmd.Flags().StringVar(&around, "around", "", "only this service, whom it uses and who uses it")
	cmd.Flags().BoolVar(&undeclared, "undeclared", false, "only calls that the plan does not declare")
	_ = cmd.RegisterFlagCompletionFunc("around", a.serviceNames) // the flag was just made
	cmd.RunE = a.asking(func(cmd *cobra.Command, client *api.Client, _ []string) error {
		m, err := client.Map(cmd.Context())
		if err != nil {
			return err
		}
		if around != "" {
			members := names(m.Nodes, func(n api.Node) string { return n.Name })
			if !slices.Contains(members, around) {
				f := fault.New(fault.NotFound, "on the map there is no "+around).Fix("plat map shows all")
				if near := plan.Nearest(around, members); near != "" {
					f.Fix("did you mean " + near + "?")
				}
				return f
			}
			m = chart.Around(m, around)
		}
		if undeclared {
			m = chart.OnlyUndeclared(m)
		}
		return a.drawing(m)
	})
	return cmd
}

// drawing prints a map in the form that -o asks for.
func (a *app) drawing(m api.Map) error {
	text := ""
	switch a.output {
	case "mermaid":
		text = chart.Mermaid(m)
	case "dot":
		text = chart.DOT(m)
	case "svg":
		text = chart.SVG(m)
	case "text":
		if len(m.Edges) == 0 {
			a.words("there is no such edge")
			return nil
		}
		for _, n := range m.Nodes {
			if n.Finding != "" {
				a.words("%s", a.paint.yellow(n.Name+" is not as the plan says, by hand ("+n.State+"): plat why "+n.Finding))
			}
		}
		return a.print(m, mapTable(m))
	default:
		return a.print(m, table{})
	}
	_, err := fmt.Fprint(a.Out, text)
	return err
}

// mapTable has a line an edge. Rate, time and errors are those of the last
// five minutes.
func mapTable(m api.Map) table {
	t := table{header: []string{"FROM", "TO", "WHAT", "STATE", "SEEN", "RATE", "P95", "ERRORS"}, key: 3, spare: []string{"SEEN"}}
	for _, e := range m.Edges {
		row := []string{e.From, e.To, strings.TrimSpace(e.Kind + " " + e.Label), chart.State(e), strconv.FormatUint(e.Count, 10), "", "", ""}
		if e.Refused > 0 {
			row[4] = seen(e)
		}
		if f := e.Figures; f != nil && f.Last5.Count > 0 {
			row[5], row[6], row[7] = chart.Rate(f.Rate5), chart.Seconds(f.Last5.P95), chart.Share(f.Last5.Errors, f.Last5.Count)
		}
		t.rows = append(t.rows, row)
	}
	return t
}
