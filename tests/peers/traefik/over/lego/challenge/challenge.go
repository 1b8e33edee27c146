// Package challenge names what certificates by ACME would need: nobody here asks for any.
package challenge

// Provider is whatever would answer a challenge.
type Provider any
