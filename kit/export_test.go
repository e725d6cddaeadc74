package kit

import "github.com/plat-dev/plat/kit/admit"

// Gate is what stands before the service's handlers.
func Gate(s *Service) *admit.Gate { return s.gate }
