// This Source Code Form is subject to the terms of the Mozilla Public
// License, v. 2.0. If a copy of the MPL was not distributed with this
// file, You can obtain one at https://mozilla.org/MPL/2.0/.

// Package history knows the builds of this machine: their ids and owners, the
// images that they have left, their reports, why a step runs again, and what may
// go. It builds nothing.
package history
