// SPDX-License-Identifier: MPL-2.0

package cli

import (
	"context"
	"net/http"
	"slices"

	"github.com/spf13/pflag"

	"github.com/carosio/carosbuild/pkg/download"
	"github.com/carosio/carosbuild/pkg/offline"
	"github.com/carosio/carosbuild/pkg/source/debian"
	"github.com/carosio/carosbuild/pkg/userns"
)

// OfflineFlag is the option of commands that can do without a network.
func (a *App) OfflineFlag(f *pflag.FlagSet) {
	set := !slices.Contains([]string{"", "0", "false", "no"}, a.Getenv("CAROSBUILD_OFFLINE"))
	f.BoolVar(&a.Offline, "offline", set, "use no network: what is needed is in the caches, or the list of all that is not is the error (see docs/offline.md)")
	f.Lookup("offline").DefValue = "false" // the same help everywhere
}

// VendorFlag is the option of commands that can take what they need from a folder.
func (a *App) VendorFlag(f *pflag.FlagSet) {
	f.StringVar(&a.Vendor, "vendor", "", "use no network but this folder, which carosbuild vendor has written; includes --offline")
}

// OpenVendored checks the folder of --vendor. The process inside the namespaces relies on
// the one outside for digests.
func (a *App) OpenVendored(ctx context.Context) error {
	if a.Vendor == "" || a.vendored != nil {
		return nil
	}
	a.Offline = true
	var err error
	a.vendored, err = offline.Open(ctx, a.Vendor, !userns.Inside(a.Getenv))
	return err
}

// gate is where HTTP leaves the program.
func (a *App) gate() download.Gate { return download.Gate{Closed: a.Offline, To: a.Downloads} }

// Debian is what this machine says of mirrors, and what reads from them.
func (a *App) Debian(d Dirs) (*debian.Fetcher, debian.Host, error) {
	host, err := debian.ReadHost("/", a.Getenv)
	if err != nil {
		return nil, host, err
	}
	if a.vendored != nil {
		host.Vendored = a.vendored.Debian()
	}
	client := host.HTTPClient()
	client.Transport = a.gate().Around(client.Transport)
	return &debian.Fetcher{Cache: d.Packages(), HTTP: client}, host, nil
}

// around is gate for a registry.
func (a *App) around(next http.RoundTripper) http.RoundTripper { return a.gate().Around(next) }
