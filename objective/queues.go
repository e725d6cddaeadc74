package objective

import (
	"fmt"

	"github.com/plat-dev/plat/plan"
)

// queueRules tell of a service's calls that are done later: that they wait for
// too long, and that some were given up.
func queueRules(svc *plan.Service) []Rule {
	var rules []Rule
	for _, d := range svc.Calls {
		if d.Queue == nil {
			continue
		}
		at := fmt.Sprintf("caller=%q,service=%q", svc.Name, d.Service)
		add := func(alert, expr, summary, description, query string) {
			rules = append(rules, Rule{
				Alert: alert, Expr: expr,
				Annotations: map[string]string{"summary": summary, "description": description, "query": query, "runbook": runbook(svc, alert), "traces": "/traces?service=" + d.Service + "&error=true"},
				Labels:      map[string]string{"severity": Ticket, "owner": svc.Owner, "service": svc.Name, "dependency": d.Service},
			})
		}
		oldest, dead := fmt.Sprintf("plat_call_queue_oldest_seconds{%s}", at), fmt.Sprintf("plat_call_queue_dead{%s}", at)
		add("CallsWait", fmt.Sprintf("max(%s) > %s", oldest, seconds(d.Queue.Fresh.Std())),
			"What "+svc.Name+" wants "+d.Service+" to do waits for longer than "+d.Queue.Fresh.String()+".",
			"The oldest call waits for {{ $value | humanizeDuration }}, and those behind it wait with it. plat queue tells why it is not done. After "+d.Queue.Keep.String()+" it is given up.", oldest)
		add("DeadCalls", fmt.Sprintf("max(%s) > 0", dead),
			"{{ $value }} calls of "+svc.Name+" to "+d.Service+" were given up.",
			"They were accepted to be done later, and were refused for good or became too old. plat queue list --dead lists them with the reason of each; plat queue retry makes them again.", dead)
	}
	return rules
}
