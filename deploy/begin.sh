#!/bin/sh
# Everything that stands before the first agent: keys, ether, contracts, tables, one task. Run again, it does what is not done.
# Settings: BCFL_HOME, BCFL_PASSWORD, and RPC (a node that signs for an account of its own: a development chain), STORE, TABLES.
set -eu
RPC=${RPC:-ws://127.0.0.1:8545}
STORE=${STORE:-directory:$BCFL_HOME/store}
TABLES=${TABLES:-$BCFL_HOME/tables}
HERE=$(cd "$(dirname "$0")" && pwd)

tries=0
until bcfl networks add demo --rpc "$RPC" --store "$STORE" --confirmations 1; do
    tries=$((tries + 1))
    if [ "$tries" -ge 30 ]; then
        echo "begin.sh: no chain answers at $RPC" >&2
        exit 4
    fi
    sleep 1
done
for key in owner judge keeper ann ben cem; do
    [ -f "$BCFL_HOME/keys/$key.json" ] || bcfl keys new "$key"
done
if [ ! -f "$BCFL_HOME/task" ]; then
    bcfl send owner judge keeper ann ben cem --network demo --from-node --ether 5
    bcfl deploy --network demo --key owner
    bcfl send judge ann ben cem --network demo --key owner --tokens 100 # bonds
    for name in judge ann ben cem; do
        [ -f "$TABLES/$name.csv" ] || python3 "$HERE/demo_table.py" "$TABLES/$name.csv"
    done
    bcfl task create "$HERE/task.yaml" --network demo --key owner --evaluator judge --json >"$BCFL_HOME/task.new"
    mv "$BCFL_HOME/task.new" "$BCFL_HOME/task"
fi
echo "begin.sh: ready"
