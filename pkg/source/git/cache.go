// SPDX-License-Identifier: MPL-2.0

package git

import (
	"sync"
	"time"
)

// Cache is a directory of mirrors. Its methods may be called concurrently, and
// other processes may use the same directory. A Cache must not be copied.
type Cache struct {
	Dir     string        // made when it is needed
	Program string        // "" means git from PATH
	Env     []string      // for git: HOME, SSH_AUTH_SOCK, GIT_SSH_COMMAND, proxies; git gets nothing else of this process's environment
	Allow   []string      // transports allowed besides https, http, ssh, git and file
	Events  func(Event)   // called one at a time; may be nil
	Jobs    int           // number of addresses handled in parallel; 0 means 4
	Stall   time.Duration // how long a server may be silent; 0 means 5 minutes

	Closed  bool                     // no server is asked: commits come from the mirrors, from Bundles and from addresses on this machine
	Bundles string                   // directory with files of Bundle; "" for none
	Fetched func(url, commit string) // what has come from elsewhere; may be nil, called by several goroutines

	events  sync.Mutex
	looking sync.Mutex
	host    *host    // of this machine's git, after the first look
	secrets sync.Map // address without user → *url.Userinfo that it was given with
}

// Event is progress, or a message for the user.
type Event struct {
	URL   string // without password
	Phase string // such as "receive objects"
	Done  int64  // objects
	Total int64  // 0 if not known
	Note  string // if set, Phase is empty
}

// Tree is a git tree as declared, after rewriting of the address.
type Tree struct{ URL, Revision string }

// Pinned is the result of resolving a Tree.
type Pinned struct {
	URL      string `json:"url"` // without password
	Revision string `json:"revision"`
	Commit   string `json:"commit"`           // 40 or 64 hex digits
	Ref      string `json:"ref,omitempty"`    // full name of the ref from which it was resolved; "" for a commit id
	Moving   bool   `json:"moving,omitempty"` // the ref is not a tag
}

func (c *Cache) event(e Event) {
	if c.Events == nil {
		return
	}
	c.events.Lock()
	defer c.events.Unlock()
	c.Events(e)
}

func (c *Cache) jobs() int {
	if c.Jobs > 0 {
		return c.Jobs
	}
	return 4
}

func (c *Cache) stall() time.Duration {
	if c.Stall > 0 {
		return c.Stall
	}
	return 5 * time.Minute
}
