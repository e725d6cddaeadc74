package kit

import "github.com/plat-dev/plat/kit/admit"

// Gate is what stands before the service's handlers.
func Gate(s *Service) *admit.Gate { return s.incoming.gate }

// Plan says what the control plane does.
func Plan(s *Service, c admit.Config, rate admit.Rate) { s.incoming.plan(c, rate) }
