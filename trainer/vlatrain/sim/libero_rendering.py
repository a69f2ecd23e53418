"""Pictures of recorded simulator states, without any physics. Runs in a worker's Python.

What a recorder saw when it kept a state is a little older: robosuite looks before the last of a step's substeps moves
the joints, and reads the fingers after it. That is done alike here, so the pictures are those that were seen.
"""

from typing import Any

import mujoco
import numpy as np
from numpy.typing import NDArray

from vlatrain.sim.developing import develop
from vlatrain.sim.libero_stage import PROPRIOCEPTION, Stage, show
from vlatrain.sim.protocol import Frames, Message

ROUNDED = 1e-5  # XML has six digits; what stands where it stood keeps all of its own


def render(stage: Stage, request: Message, frames: Frames) -> Message:
    """Pictures and the hand's state of the first `frames` states [T, `coordinates`], as JPEG of `jpeg_quality`.

    `bodies` says where fixtures stand, by name: pos [3] and quat [4], None where it is not told. Answers `unfit` where
    the states are of another scene.
    """
    model = stage.inner.sim.model
    needed = 1 + model.nq + model.nv
    if request["coordinates"] != needed:
        return {"unfit": f"states have {request['coordinates']} coordinates; this task has {needed}"}
    put_bodies(model, request["bodies"])
    hide_marks(stage)
    stage.shutter.is_open = True
    for place in range(request["frames"]):
        show(seen_in(stage, frames.coordinates[place, :needed]), stage.cameras, frames, place)
    develop(frames, request["frames"], request["jpeg_quality"])
    return {"frames": request["frames"]}


def put_bodies(model: Any, bodies: dict[str, list[Any]]) -> None:
    """Each demonstration draws the places of cabinet and stove anew; they are part of the model, not of its state."""
    for name in set(model.body_names) & set(bodies):
        number = model.body_name2id(name)
        position, turn = bodies[name]
        for mine, told in ((model.body_pos, position), (model.body_quat, turn)):
            if told is not None and not np.allclose(mine[number], told, rtol=0, atol=ROUNDED):
                mine[number] = told


def hide_marks(stage: Stage) -> None:
    """As a reset does: without one the marks of grippers and regions are seen."""
    stage.inner.visualize(vis_settings=dict.fromkeys(stage.inner._visualizations, False))


def seen_in(stage: Stage, state: NDArray[np.float64]) -> Message:
    """What a recorder saw that kept `state`: time, qpos, qvel, flat."""
    environment = stage.inner
    model, data = environment.sim.model._model, environment.sim.data._data
    data.time, places, speeds = state[0], state[1 : 1 + model.nq], state[1 + model.nq :]
    data.qpos[:], data.qvel[:] = places, speeds
    mujoco.mj_integratePos(model, data.qpos, data.qvel, -model.opt.timestep)
    mujoco.mj_kinematics(model, data)
    mujoco.mj_comPos(model, data)
    mujoco.mj_camlight(model, data)
    data.qpos[:] = places
    environment._post_process()
    observation: Message = {}
    for name in (*(f"{camera}_image" for camera in stage.cameras), *PROPRIOCEPTION):
        observable = environment._observables[name]
        observable.update(timestep=0.0, obs_cache={}, force=True)
        observation[name] = observable.obs
    return observation
