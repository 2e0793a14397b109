// SPDX-License-Identifier: MPL-2.0

package userns

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/carosio/carosbuild/pkg/remedy"
)

// arrival is the inner program's report, as JSON: it has arrived, or the host has refused
// something.
type arrival struct {
	Tried  string `json:"tried,omitempty"`
	Cure   string `json:"cure,omitempty"`
	Masked bool   `json:"masked,omitempty"` // see errMasked
}

// report tells the outer program whether this one has arrived. If it has not, the error is
// ErrTold.
func report(err error) error {
	pipe := os.NewFile(reporting, "report")
	defer pipe.Close()
	var a arrival
	if err != nil {
		a.Tried = err.Error()
	}
	if host, ok := errors.AsType[*remedy.Error](err); ok {
		a = arrival{Tried: host.Tried, Cure: host.Cure, Masked: errors.Is(host.Err, errMasked)}
		if host.Err != nil && !a.Masked {
			a.Tried += ": " + host.Err.Error()
		}
	}
	if werr := json.NewEncoder(pipe).Encode(a); werr != nil {
		return errors.Join(err, fmt.Errorf("report to the outer program: %w", werr))
	}
	if err != nil {
		return ErrTold
	}
	return nil
}

// awaitArrival waits until the inner program has arrived, and returns a remedy.Error if the
// host has refused that. A program that ends without a report says so by its exit status.
func awaitArrival(pipe io.Reader) error {
	var a arrival
	if err := json.NewDecoder(pipe).Decode(&a); err != nil || a.Tried == "" {
		return nil
	}
	refused := &remedy.Error{Tried: a.Tried, Cure: a.Cure}
	if a.Masked {
		refused.Err = errMasked
	}
	return refused
}
