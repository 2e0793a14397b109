// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package engine runs a plan: a step whose key is on record is not run, the others
// change a snapshot, which becomes a layer. It prints nothing; it reports events.
package engine
