// Package dns01 has the one function that is used outside ACME.
package dns01

import "strings"

// UnFqdn returns name without the dot at its end.
func UnFqdn(name string) string { return strings.TrimSuffix(name, ".") }
