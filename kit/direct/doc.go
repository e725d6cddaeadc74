// Package direct is calls that go straight to an instance, past plat's
// listeners: whom a service may call and how, as the control plane says, the
// choice of an instance, and what is told of each call afterwards. The policies
// are those of kit/policy, as on plat's listeners.
//
// The types of the wire (see docs/wire/direct-calls.md) are used by the control
// plane, too. It must never import another package of the kit but kit/policy and
// the makers of IDs, nor anything of third parties.
package direct
