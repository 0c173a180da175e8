#!/bin/sh
# One agent, once there is a task: agent.sh ROLE KEY [OPTION…]. A service manager starts it again whenever it ends.
set -eu
until [ -f "$BCFL_HOME/task" ]; do sleep 1; done
role=$1
key=$2
shift 2
exec bcfl agent "$role" --network demo --key "$key" "$@"
