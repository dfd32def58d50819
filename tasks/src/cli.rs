//! Cli: what can be typed. Types only; what a command does stands in `commands/<verb>.rs`.

mod args;

use std::path::PathBuf;

use clap::{Parser, Subcommand};

pub(crate) use args::*;

/// Boots, grows, loads, watches and breaks real rings of distributed-hash-table nodes
///
/// Every node is a process of its own on this machine; this program starts them, talks to them over
/// HTTP, and keeps which of them run in a folder of yours.
#[derive(Debug, Parser)]
#[command(
    name = "tasks",
    version,
    after_help = "\
To begin with:
  tasks demo             the whole story in half a minute, on a network of its own
  tasks boot             two nodes that know each other
  tasks addmany 10       ten more, which join
  tasks storemany 100    a hundred values, spread over all of them
  tasks monitor          the ring as it lives (Ctrl-C ends it)
  tasks killall          the end

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 not found, 4 no network.
NODE is a name (PROC10001), an address (127.0.0.1:10001), a port (10001) or the first digits of an
identifier, tried in that order."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) place: Place,
}

/// Which network, and how to talk about it.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Everywhere")]
pub(crate) struct Place {
    /// Name of the network [default: default]
    #[arg(
        long,
        global = true,
        env = "DHT_NETWORK",
        value_name = "NAME",
        hide_env_values = true
    )]
    pub(crate) network: Option<String>,

    /// Folder with the state of all networks [default: $XDG_STATE_HOME/dht or ~/.local/state/dht]
    #[arg(
        long,
        global = true,
        env = "DHT_STATE",
        value_name = "DIR",
        hide_env_values = true
    )]
    pub(crate) state: Option<PathBuf>,

    /// Print one JSON document on standard output, and nothing else
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a network: nodes that know each other from the beginning, as an ideal ring
    #[command(after_help = "\
Examples:
  tasks boot                            two nodes
  tasks boot --nodes 12                 twelve, and how many failures they survive
  tasks boot --ownership predecessor    the lab's rule: a key belongs to the node before it
  tasks boot --membership static --placement partitions
                                        no ring: listed members, which agree on who has which partition
  tasks boot --network lab2             a second network beside the first
  tasks boot --force                    end what runs in this network first

Nodes are called PROC<port>, with free ports from 10001 upwards that are never used twice.")]
    Boot(Boot),

    /// Let one more node join
    #[command(after_help = "\
Examples:
  tasks add                  join through a random member
  tasks add --via PROC10001  join through this one

It takes its share of the content from its neighbour, or from all where members are listed. Any number of
these may run at once.")]
    Add(Add),

    /// Let many more nodes join, and wait until the ring is ideal
    #[command(
        name = "addmany",
        after_help = "\
Examples:
  tasks addmany 10                   ten more, several at once
  tasks addmany 10 --via PROC10001   all through this one

Ctrl-C starts no more, waits for those on their way, and keeps them."
    )]
    AddMany(AddMany),

    /// Store a value under its own SHA-1
    #[command(after_help = "\
Examples:
  tasks store 'lorem ipsum'
  tasks store 'lorem ipsum' --via 10002    ask this node, not a random one")]
    Store(Value),

    /// Store many values made of random words
    #[command(
        name = "storemany",
        after_help = "\
Examples:
  tasks storemany 100
  tasks storemany 1000 --json | jq .per_node

Values look like \"lorem ipsum dolor 4711\", no two the same."
    )]
    StoreMany(StoreMany),

    /// Store many made-up users under their numbers
    #[command(after_help = "\
Examples:
  tasks users 10000
  tasks get 4711      {\"id\":4711,\"email\":\"…@example.org\",\"password\":\"…\"}

Users that were stored under the same numbers before are replaced.")]
    Users(Users),

    /// Find a value that was stored under its own SHA-1
    #[command(after_help = "\
Examples:
  tasks lookup 'lorem ipsum'
  tasks lookup 'lorem ipsum' --routing linear    successor by successor
  tasks lookup 'lorem ipsum' --via 10002         starting at this node

Exit code 3 if nobody has it.")]
    Lookup(Lookup),

    /// Delete a value that was stored under its own SHA-1
    #[command(after_help = "\
Examples:
  tasks delete 'lorem ipsum'

Exit code 3 if nobody had it.")]
    Delete(Value),

    /// Put any bytes under a key
    #[command(after_help = "\
Examples:
  tasks put greeting 'hello, ring'
  tasks put photo - < photo.jpg        from standard input")]
    Put(Put),

    /// Get the bytes under a key
    #[command(after_help = "\
Examples:
  tasks get greeting
  tasks get photo > photo.jpg          the bytes, and nothing else
  tasks get greeting --json            with key, version and node

Exit code 3 if there is nothing.")]
    Get(Key),

    /// Delete what is under a key
    #[command(after_help = "\
Examples:
  tasks del greeting

Exit code 3 if there was nothing.")]
    Del(Key),

    /// Let a node hand its content over and go
    #[command(after_help = "\
Examples:
  tasks leave PROC10003
  tasks leave 10003

Nothing is lost by it. The last node can't leave; `tasks killall` ends the network.")]
    Leave(Node),

    /// Kill a node, as a power failure would: its content is lost
    #[command(after_help = "\
Examples:
  tasks kill PROC10003
  tasks kill 10003 && tasks monitor     watch the others mend the ring

Also removes a node that has died by itself from the network's state, and from the list of members where they
are listed.")]
    Kill(Node),

    /// Stop a node where it stands, as an overloaded machine would; it keeps what it holds
    #[command(after_help = "\
Examples:
  tasks pause PROC10003
  tasks pause 10003 && sleep 5 && tasks resume 10003

The others pass it over after a moment, and take it for dead after 30 s. `tasks resume` lets it go on.")]
    Pause(Node),

    /// Let a node go on that was paused
    #[command(after_help = "\
Examples:
  tasks resume PROC10003")]
    Resume(Node),

    /// Start nodes again that are dead, with what they have on disk
    #[command(after_help = "\
Examples:
  tasks restart              after a power failure: all nodes, which must be dead
  tasks restart PROC10003    one node, while the others go on; it is stopped first if it is alive

The same names, ports and data folders. After a stop of the whole network an arc is served again once a
majority of those that kept it is there. One node joins again on its disk, and is brought up to date.
What is not on disk (`tasks boot --store memory`) is gone with the process.")]
    Restart(Restart),

    /// Say whether a node may be stopped now, and if not, why
    #[command(after_help = "\
Examples:
  tasks safe PROC10003
  tasks safe 10003 && tasks kill 10003

Exit code 1 if it should not. For networks with copies, as `tasks boot` makes them.")]
    Safe(Node),

    /// End all nodes of the network at once; their content is lost
    #[command(
        name = "killall",
        after_help = "\
Examples:
  tasks killall

The logs stay, and ports are not used again; `tasks destroy` removes all of it."
    )]
    KillAll,

    /// End the network and remove its data, logs and state
    #[command(after_help = "\
Examples:
  tasks destroy            asks first, on a terminal
  tasks destroy --yes")]
    Destroy(Destroy),

    /// Kill all nodes and start as many new ones with the same settings
    #[command(after_help = "\
Examples:
  tasks reboot

The content is lost with the nodes; `tasks restart` starts the same ones again, with what they have.")]
    Reboot,

    /// Show the ring in order, and whether every pointer of it is right; or the listed members, and whether all
    /// are as the list says
    #[command(after_help = "\
Examples:
  tasks ring
  tasks ring && echo ideal
  tasks ring --json | jq -r '.problems[]'

Exit code 1 if it is not an ideal ring.")]
    Ring,

    /// Show what a node knows: its neighbours, successor list, fingers and content
    #[command(
        name = "nodeinfo",
        after_help = "\
Examples:
  tasks nodeinfo                   a random node
  tasks nodeinfo PROC10003
  tasks nodeinfo 10003 --json"
    )]
    NodeInfo(OptionalNode),

    /// Show how a lookup goes: hop by hop, why, and how long each takes
    #[command(after_help = "\
Examples:
  tasks trace greeting                                  a key, as for put and get
  tasks trace --value 'lorem ipsum'                     a value, as for store and lookup
  tasks trace 4ec25db8e3fdbe6a6a0a1ba0ebd3d0b8c9d7a431  an identifier
  tasks trace greeting --routing linear --via PROC10001")]
    Trace(Trace),

    /// Watch the ring: order, neighbours, keys, who is dead
    #[command(after_help = "\
Examples:
  tasks monitor                  redraws every second until Ctrl-C
  tasks monitor --content        with the items of each node
  tasks monitor --interval 0.2
  tasks monitor --once           once, also for scripts: --once --json")]
    Monitor(Monitor),

    /// Tell the whole story on a network of its own: boot, grow, store, look up, join, leave
    #[command(after_help = "\
Examples:
  tasks demo
  tasks demo --ownership predecessor

Takes less than half a minute, and leaves nothing behind.")]
    Demo(Demo),

    /// Tell one of the stories that this program grew out of, step by step, and check each step
    #[command(after_help = "\
Examples:
  tasks walkthrough partitions           10,000 users in 200 partitions on 4 nodes, 5, and 4 again
  tasks walkthrough partitions --json    the numbers, checked
  tasks walkthrough shards               a causally consistent store: a death, a return, a third shard
  tasks walkthrough memcached            servers on a ring by murmur3: one goes, one comes, one dies
  tasks walkthrough chord                the lab's ring, with every state in between
  tasks walkthrough zeromq               a client that spreads 1,000 keys over servers, by two rules
  tasks walkthrough zeromq --consul http://127.0.0.1:8500

Real processes, a network of their own, and nothing left behind. Exit code 1 if a step is not as it must
be.")]
    Walkthrough(crate::commands::walkthrough::Args),

    /// Work with a causally consistent store in shards of replicas: start it, grow it, divide it anew
    #[command(after_help = "\
Examples:
  tasks shards boot --nodes 6 --shards 2 --network store
  tasks shards status --network store
  tasks shards add-member --network store
  tasks shards reshard 3 --network store
  tasks shards load --connections 16 --network store

`tasks kvs` reads and writes it; `tasks walkthrough shards` tells the whole story.")]
    Shards(crate::commands::shards::Args),

    /// Read and write a causally consistent store, and never see less than before
    #[command(after_help = "\
Examples:
  tasks kvs put answer 42 --network store
  tasks kvs get answer --network store --via PROC10003
  tasks kvs put config '{\"a\":[1,2]}' --session mine.json

What a session has seen is kept in a file and sent along, so that whichever node answers shows all of it, or
asks to come again. Two sessions see each other's writes in an order that makes sense, but maybe not at once.")]
    Kvs(crate::commands::kvs::Args),

    /// Show the log of a node
    #[command(after_help = "\
Examples:
  tasks logs PROC10003
  tasks logs 10003 -f      and what is added to it, until Ctrl-C

Works for nodes that are gone too, until `tasks destroy`; those by name.")]
    Logs(Logs),

    /// Break a network while clients work, and prove whether anything acknowledged is lost
    #[command(after_help = "\
Examples:
  tasks prove                                 8 nodes and 8 clients for a minute, many kinds of faults
  tasks prove --faults pause,join,leave       nobody is killed
  tasks prove --seconds 10 --seed 7           short, and the same faults each time
  tasks prove --faults stop                   all are killed at once, and start again
  tasks prove --faults partition              nothing passes between two parts for a while
  tasks prove --runs 20                       20 minutes in a row, each with another seed
  tasks prove --network default               a network that runs: only nodes that join for this leave
  tasks prove --network default --faults kill its own nodes may die
  tasks prove --json | jq '.lost | length'

Boots a network of its own, which goes again whatever happens. Clients write, read and delete, with
conditions too; meanwhile one thing after another is broken, each after the network is whole again. In the
end every key is read back. An acknowledged change is lost if it is neither read back nor overwritten by a
later one. Beyond that all answers about a key are explained by one order of its operations, or it is said
of how many keys they are not. A time-out or a 504 leaves open whether a change was made; a 503 or a refused
connection does not, and is tried again.

A partition is told to both parts by `PUT /faults`: a network that runs must have been booted with
`tasks boot --fault-injection`.

Exit code 0 only if nothing is lost.")]
    Prove(Box<crate::commands::prove::Args>),

    /// Run many nodes in this one process, in virtual time, and watch them
    #[command(after_help = "\
Examples:
  tasks simulate --nodes 1000000 --lookups 1000000 --seed 1
  tasks simulate --nodes 1000 --seconds 600 --churn 0.4 --loss 1
  tasks simulate --nodes 16 --joins 10000 --join-rate 500
  tasks simulate --nodes 64 --preset rough --trace run.jsonl
  tasks simulate --nodes 100000 --lookups 100000 --json | jq .mean_hops

The same options give the same run. Ctrl-C ends it with what there is. Exit code 1 if something that
must hold does not.")]
    Simulate(Box<crate::commands::simulate::Args>),

    /// Try many random scripts of joins, leaves, deaths, pauses and partitions in virtual time
    #[command(after_help = "\
Examples:
  tasks swarm --seeds 100 --minutes 10
  tasks swarm --seeds 1 --first 4711 --shrink small.jsonl    one seed, and the least that breaks it
  tasks swarm --seeds 100 --minutes 10 --detector real
  tasks swarm --causal --seeds 1000 --minutes 5              sharded stores that keep causes before effects

Each failing seed comes with the command that replays it. Exit code 1 if there is one.")]
    Swarm(crate::commands::swarm::Args),

    /// Run a trace again, and compare event by event
    #[command(after_help = "\
Examples:
  tasks simulate --nodes 64 --preset rough --trace run.jsonl
  tasks replay run.jsonl
  tasks replay small.jsonl    one from `tasks swarm --shrink`
  tasks replay PROC10001.trace    a real node, after `tasks boot --trace` or `node --trace`

A simulated network is run again from its plan; a real node lives again by the events that it wrote
down. Exit code 1 if something differs, or something that must hold does not.")]
    Replay(crate::commands::replay::Args),

    /// Put a small ring, or one group, through everything that can happen, in every order
    #[command(after_help = "\
Examples:
  tasks check                                  4 nodes, lists of 2, restarts, deaths and leaves
  tasks check --in-flight                      the same, with answers that take their time
  tasks check --content                        who serves what while nodes join and leave
  tasks check --variant published              the rules of the first papers, and how they fail
  tasks check --nodes 5 --no-leaves --lives 6  a larger ring
  tasks check --group                          3 members, an epoch that ends, and two writes
  tasks check --group --writes 1 --order line  fewer writes, and more that overtakes
  tasks check --causal --losses 1              3 replicas of a causal store, and a lost message
  tasks check --json | jq '.violations[].steps'

Exit code 1 if something that must hold does not, or if not all states were looked at.")]
    Check(crate::commands::check::Args),

    /// Draw the figures of the Chord papers anew, from this code
    #[command(after_help = "\
Examples:
  tasks figures                   into the folder `figures`; then look at figures/index.html
  tasks figures --only stretch    one of them, in seconds
  tasks figures other --seed 7    other chance, nearly the same numbers
  tasks figures --json | jq '.checks[] | select(.within | not)'

Takes about a minute, on all cores; Ctrl-C leaves what is drawn by then. The same seed gives the same
files, byte for byte. Exit code 1 if a number is further from the paper's than it may be, which with
another seed one of those within a 95 % interval can be by chance, or if not all figures were drawn.")]
    Figures(crate::commands::figures::Args),

    /// Type commands at a prompt
    #[command(after_help = "\
Examples:
  tasks shell
  tasks shell --network lab2
  printf 'set a 1\\nget a\\n' | tasks shell --classic     the memcached lab's commands and answers

`help` tells what can be typed; every command of `tasks` can. Words are quoted as in a shell. From a
pipe: exit code 1 if a line could not be done.")]
    Shell(Shell),

    /// Put and get over ZeroMQ, with the keys spread over servers by this client
    #[command(
        name = "zeromq",
        after_help = "\
Examples:
  tasks node --address 127.0.0.1:9001 --name a --ring a@127.0.0.1:9001#1 --zeromq tcp://127.0.0.1:5551
  tasks zeromq put greeting hello --servers tcp://127.0.0.1:5551,tcp://127.0.0.1:5552
  tasks zeromq get greeting --servers tcp://127.0.0.1:5551,tcp://127.0.0.1:5552
  tasks zeromq all --servers tcp://127.0.0.1:2000,tcp://127.0.0.1:2001 --bind
  tasks zeromq put point '{\"x\":1}' --as-json --sharding rendezvous --consul http://127.0.0.1:8500
  tasks zeromq all --consul http://127.0.0.1:8500 --json | jq .servers

The same servers and the same --sharding find a key again, in whatever order they are named. With --bind this
client listens, and nodes that were started with `--zeromq connect:tcp://127.0.0.1:2000` come to it. `get` ends
with exit code 3 if there is nothing, and 4 if the server does not answer. In a network of its own rules any
node has any key, and `all` shows each item once, whichever way the keys are spread here."
    )]
    ZeroMq(crate::commands::zeromq::Args),

    /// Print a script that completes commands in your shell
    #[command(after_help = "\
Examples:
  source <(tasks completions bash)
  tasks completions zsh > ~/.zfunc/_tasks
  tasks completions fish > ~/.config/fish/completions/tasks.fish")]
    Completions {
        /// Which shell
        shell: clap_complete::Shell,
    },

    /// Run one node in the foreground: what the other commands start
    #[command(after_help = "\
Examples:
  tasks node --help
  tasks node --address 127.0.0.1:9001 --name a --ring a@127.0.0.1:9001#1
  tasks node --address 127.0.0.1:9002 --name b --join 127.0.0.1:9001")]
    Node(Box<node::Args>),
}

#[cfg(test)]
mod tests;
