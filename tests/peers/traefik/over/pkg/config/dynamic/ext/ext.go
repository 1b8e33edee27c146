// Package ext has what another edition of Traefik adds to the configuration: here nothing.
package ext

// HTTP adds nothing.
type HTTP struct{}

// DeepCopyInto copies it.
func (in *HTTP) DeepCopyInto(out *HTTP) { *out = *in }

// Router adds nothing.
type Router struct{}

// DeepCopyInto copies it.
func (in *Router) DeepCopyInto(out *Router) { *out = *in }
