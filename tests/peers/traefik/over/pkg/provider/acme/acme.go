// Package acme stands where Traefik's client of certificate authorities was: it has the names that other packages use, and gets
// no certificates.
package acme

import (
	"errors"
	"net/http"
	"time"

	ptypes "github.com/traefik/paerser/types"
	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/safe"
	traefiktls "github.com/traefik/traefik/v3/pkg/tls"
)

// Configuration of a certificate resolver; whoever writes one is told that there is none.
type Configuration struct {
	CAServer      string         `json:"caServer,omitempty" toml:"caServer,omitempty" yaml:"caServer,omitempty"`
	Storage       string         `json:"storage,omitempty" toml:"storage,omitempty" yaml:"storage,omitempty"`
	DNSChallenge  *DNSChallenge  `json:"dnsChallenge,omitempty" toml:"dnsChallenge,omitempty" yaml:"dnsChallenge,omitempty"`
	HTTPChallenge *HTTPChallenge `json:"httpChallenge,omitempty" toml:"httpChallenge,omitempty" yaml:"httpChallenge,omitempty"`
	TLSChallenge  *struct{}      `json:"tlsChallenge,omitempty" toml:"tlsChallenge,omitempty" yaml:"tlsChallenge,omitempty"`
}

// DNSChallenge is never answered.
type DNSChallenge struct {
	Provider                string          `json:"provider,omitempty" toml:"provider,omitempty" yaml:"provider,omitempty"`
	Propagation             Propagation     `json:"propagation,omitempty" toml:"propagation,omitempty" yaml:"propagation,omitempty"`
	DelayBeforeCheck        ptypes.Duration `json:"delayBeforeCheck,omitempty" toml:"delayBeforeCheck,omitempty" yaml:"delayBeforeCheck,omitempty"`
	DisablePropagationCheck bool            `json:"disablePropagationCheck,omitempty" toml:"disablePropagationCheck,omitempty" yaml:"disablePropagationCheck,omitempty"`
}

// Propagation is never waited for.
type Propagation struct {
	DisableChecks     bool            `json:"disableChecks,omitempty" toml:"disableChecks,omitempty" yaml:"disableChecks,omitempty"`
	DelayBeforeChecks ptypes.Duration `json:"delayBeforeChecks,omitempty" toml:"delayBeforeChecks,omitempty" yaml:"delayBeforeChecks,omitempty"`
}

// HTTPChallenge is never answered.
type HTTPChallenge struct {
	EntryPoint string `json:"entryPoint,omitempty" toml:"entryPoint,omitempty" yaml:"entryPoint,omitempty"`
}

// LocalStore stores nothing.
type LocalStore struct{}

// NewLocalStore returns a store of nothing.
func NewLocalStore(string, *safe.Pool) *LocalStore { return &LocalStore{} }

// Provider refuses to start.
type Provider struct {
	*Configuration

	ResolverName          string
	Store                 *LocalStore
	HTTPChallengeProvider any
	TLSChallengeProvider  any
}

// Init says why.
func (p *Provider) Init() error { return errors.New("this Traefik is built without an ACME client") }

// Provide provides nothing.
func (p *Provider) Provide(chan<- dynamic.Message, *safe.Pool) error { return nil }

// SetTLSManager takes what is not needed.
func (p *Provider) SetTLSManager(*traefiktls.Manager) {}

// SetConfigListenerChan takes what is not needed.
func (p *Provider) SetConfigListenerChan(chan dynamic.Configuration) {}

// ListenConfiguration takes what is not needed.
func (p *Provider) ListenConfiguration(dynamic.Configuration) {}

// ChallengeHTTP answers no challenge.
type ChallengeHTTP struct{}

// NewChallengeHTTP returns one.
func NewChallengeHTTP() *ChallengeHTTP { return &ChallengeHTTP{} }

// ServeHTTP answers 404.
func (c *ChallengeHTTP) ServeHTTP(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) }

// ChallengeTLSALPN answers no challenge.
type ChallengeTLSALPN struct{}

// NewChallengeTLSALPN returns one.
func NewChallengeTLSALPN() *ChallengeTLSALPN { return &ChallengeTLSALPN{} }

// Init has nothing to do.
func (c *ChallengeTLSALPN) Init() error { return nil }

// ThrottleDuration is none.
func (c *ChallengeTLSALPN) ThrottleDuration() time.Duration { return 0 }

// Provide provides nothing.
func (c *ChallengeTLSALPN) Provide(chan<- dynamic.Message, *safe.Pool) error { return nil }

// ListenConfiguration takes what is not needed.
func (c *ChallengeTLSALPN) ListenConfiguration(dynamic.Configuration) {}
