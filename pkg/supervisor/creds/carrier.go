// SPDX-License-Identifier: MPL-2.0

package creds

import "sync"

// Base is the index of a step's first program, and the highest one.
const Base = 1 << 60

// Carrier keeps the credentials of a step's processes. A process has an index in its hard
// RLIMIT_RTTIME, which fork, execve and threads inherit without anybody's help, and which
// can only be lowered. So an index has to be lower than the former one, and is shared with
// all processes of the same credentials where that is so.
type Carrier struct {
	mu    sync.Mutex
	known []Creds          // by Base minus the index
	low   map[Creds]uint64 // the lowest index of equal credentials
}

// NewCarrier is a carrier whose first index has the credentials of the first program.
func NewCarrier(first Creds) *Carrier {
	return &Carrier{known: []Creds{first}, low: map[Creds]uint64{first: Base}}
}

// Of are the credentials that belong to a limit; false for one that no process can have.
func (c *Carrier) Of(limit uint64) (Creds, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if i := Base - limit; i < uint64(len(c.known)) { // a limit above Base wraps around
		return c.known[i], true
	}
	return Creds{}, false
}

// Index is one below a limit that stands for credentials.
func (c *Carrier) Index(limit uint64, creds Creds) uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	if low, ok := c.low[creds]; ok && low < limit {
		return low
	}
	index := Base - uint64(len(c.known))
	c.known = append(c.known, creds)
	c.low[creds] = index
	return index
}

// Len is how many indices there are.
func (c *Carrier) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.known)
}
