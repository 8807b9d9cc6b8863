"""What is fuzzed: for each kind of input, valid examples, a mutation, and what must hold.

``check`` raises if htaflow does anything but accept the input or refuse it with an error for users;
it returns whether the input was accepted. What was accepted must then be good for everything that
follows.
"""

from collections.abc import Mapping

from fuzz import mutate
from fuzz.targets import board, checkpoint, data, network, reply, results, snntorch
from fuzz.targets.target import Target

__all__ = ["TARGETS", "Target"]

TARGETS: Mapping[str, Target] = {
    target.name: target
    for target in (
        Target("network", network.network_seeds, mutate.mutate_safetensors, network.check_network),
        Target("csv", data.csv_seeds, mutate.mutate_csv, data.check_csv),
        Target("npz", data.npz_seeds, mutate.mutate_npz, data.check_npz),
        Target("images", data.image_seeds, mutate.mutate_zip, data.check_images),
        Target("idx", data.idx_seeds, data.mutate_idx, data.check_idx),
        Target("board", board.board_seeds, board.mutate_board, board.check_board),
        Target("results", results.result_seeds, mutate.mutate_json, results.check_results),
        Target(
            "checkpoint",
            checkpoint.checkpoint_seeds,
            mutate.mutate_safetensors,
            checkpoint.check_checkpoint,
        ),
        Target("snntorch", snntorch.snn_seeds, mutate.mutate_json, snntorch.check_snntorch),
        Target("reply", reply.reply_seeds, reply.mutate_reply, reply.check_reply),
    )
}
