"""What vlad itself puts on record, in Chinese: why runs wait, move and end, and what to do."""

CAUSES: dict[str, str] = {
    # moves and what is waited for
    "stopped before it started": "启动前已停止",
    "stopped while waiting to restart": "等待重启时被停止",
    "restart": "重启",
    "it was restarted": "已重启",
    "it will be restarted": "将重启",
    "resumed by {who}": "由 {who} 继续",
    "others hold its GPUs": "它的 GPU 被其他运行占用",
    "{run}, which it was to follow, is gone": "它要等待的 {run} 已不存在",
    "{run}, which it was to follow, is {state}": "它要等待的 {run} 状态为 {state}",
    "waits for the end of {runs}": "等待 {runs} 结束",
    "asks for {wanted}, but there is none": "需要 {wanted},但这里没有",
    "asks for {wanted}, and there are only {count}": "需要 {wanted},但只有 {count} 块",
    "waits for {wanted}: {held}": "等待 {wanted}:{held}",
    "waits for GPUs: {error}": "等待 GPU:{error}",
    "the supervisor before has ended": "前一个监督进程已结束",
    # silence
    "no step for {time}": "{time} 没有新的步",
    "nothing in its log for {time}": "日志 {time} 没有新内容",
    "no sign of life while loading for {time}": "加载中,{time} 没有动静",
    "no sign of life while training for {time}": "训练中,{time} 没有动静",
    "no sign of life while evaluating for {time}": "评估中,{time} 没有动静",
    "no sign of life while saving for {time}": "保存中,{time} 没有动静",
    "a step takes {time}": "每步通常 {time}",
    "loading takes {time} in all": "加载通常共 {time}",
    "training takes {time} in all": "训练通常共 {time}",
    "evaluating takes {time} in all": "评估通常共 {time}",
    "saving takes {time} in all": "保存通常共 {time}",
    "process {pid} is stopped by a signal or a debugger (`kill -CONT` lets it go on)": (
        "进程 {pid} 被信号或调试器暂停(`kill -CONT` 使其继续)"
    ),
    "it is ended and restarted": "将被结束并重启",
    "is restarted in {time}": "{time}后重启",
    "counts as hung in {time}": "{time}后视为卡住",
    # what follows an end
    "restart {number} of {budget} without new checkpoint": "没有新检查点的第 {number} 次重启,共 {budget} 次",
    "{count} attempts in a row without a new checkpoint": "连续 {count} 次尝试没有新检查点",
    "no restart is allowed": "不允许重启",
    "trying again would not help": "重试无济于事",
    "the trainer refused its configuration (exit code 2)": "训练器拒绝了配置(退出码 2)",
    "early stop: {count} evaluations without improvement": "早停:{count} 次评估没有提升",
    "best {rate} % at step {step}": "最佳 {rate} %,第 {step} 步",
    "It never began: no attempt was made.": "从未开始:没有进行过尝试。",
    "It has not begun yet.": "尚未开始。",
    "r starts it all the same, whatever it was to follow": "按 r 仍可启动,不再等待其他运行",
    # causes
    "stopped by somebody else than vlad": "被 vlad 之外的人停止",
    "the host was restarted": "主机重启过",
    "hung: {told}": "卡住:{told}",
    "the disk of {path} is full ({exit})": "{path} 所在磁盘已满({exit})",
    "the disk is full": "磁盘已满",
    "the disk quota is used up": "磁盘配额已用尽",
    "CUDA ran out of memory": "CUDA 显存不足",
    "CUDA ran out of memory: an allocation of {size} failed on GPU {gpu}": "CUDA 显存不足:GPU {gpu} 上分配 {size} 失败",
    "the host's memory ran out": "主机内存耗尽",
    "the host's memory ran out: an allocation of {size} bytes failed": "主机内存耗尽:分配 {size} 字节失败",
    "the kernel killed it because the memory of the host (or its container) ran out": (
        "主机(或其容器)内存耗尽,被内核终止"
    ),
    "the kernel killed process {pid} ({name}): the memory of the host ran out": (
        "主机内存耗尽,内核终止了进程 {pid}({name})"
    ),
    "the kernel killed process {pid} ({name}): the memory of its memory cgroup (a container's, say) ran out": (
        "内存 cgroup(如容器)的内存耗尽,内核终止了进程 {pid}({name})"
    ),
    "the Python module {module} is not installed": "没有安装 Python 模块 {module}",
    "{module} has no {name}: another version of it is installed than the program was written for": (
        "{module} 中没有 {name}:安装的版本与程序要求的不同"
    ),
    "compiled parts do not fit this driver, this GPU or each other": "已编译的部件与此驱动、此 GPU 或彼此不符",
    "a YAML file cannot be read: {what}": "无法读取 YAML 文件:{what}",
    "the configuration was refused (exit 2)": "配置被拒绝(退出码 2)",
    "the checkpoint does not fit the model": "检查点与模型不符",
    "the checkpoint does not fit the model {model}": "检查点与模型 {model} 不符",
    "{path} does not exist": "{path} 不存在",
    "a file or folder does not exist": "文件或目录不存在",
    "the model {path} is neither a folder nor a name on the Hugging Face hub": (
        "模型 {path} 既不是目录,也不是 Hugging Face 上的名称"
    ),
    "the loss or a gradient became NaN or infinite": "损失或梯度变为 NaN 或无穷大",
    "a GPU failed": "一块 GPU 发生故障",
    "GPU {gpu} failed: a double-bit ECC error (Xid {number})": "GPU {gpu} 故障:双比特 ECC 错误(Xid {number})",
    "GPU {gpu} failed: its controller halted (Xid {number})": "GPU {gpu} 故障:控制器停机(Xid {number})",
    "GPU {gpu} failed: a broken row of its memory could not be replaced (Xid {number})": (
        "GPU {gpu} 故障:显存坏行无法替换(Xid {number})"
    ),
    "GPU {gpu} failed: an NVLink error (Xid {number})": "GPU {gpu} 故障:NVLink 错误(Xid {number})",
    "GPU {gpu} failed: it has fallen off the bus (Xid {number})": "GPU {gpu} 故障:已从总线脱落(Xid {number})",
    "GPU {gpu} failed: too many ECC errors (Xid {number})": "GPU {gpu} 故障:ECC 错误过多(Xid {number})",
    "GPU {gpu} failed: a memory error of this program (Xid {number})": "GPU {gpu} 故障:此程序的显存错误(Xid {number})",
    "GPU {gpu} failed: a memory error of any program (Xid {number})": "GPU {gpu} 故障:某程序的显存错误(Xid {number})",
    "GPU {gpu} failed: its system processor does not answer (Xid {number})": (
        "GPU {gpu} 故障:系统处理器无响应(Xid {number})"
    ),
    "GPU {gpu} failed: its system processor failed (Xid {number})": "GPU {gpu} 故障:系统处理器故障(Xid {number})",
    "GPU {gpu} failed: an ECC error that was not corrected (Xid {number})": (
        "GPU {gpu} 故障:未纠正的 ECC 错误(Xid {number})"
    ),
    "a data-loader worker (pid {pid}) was killed, cause unknown": "数据加载进程(pid {pid})被终止,原因未知",
    "a collective operation timed out: another rank did not take part": "集合通信超时:另一个 rank 没有参与",
    "the connection to another rank was lost": "与另一个 rank 的连接断开",
    "torchrun was ended by signal {signal}; who sent it is not recorded": (
        "torchrun 被信号 {signal} 终止;发送者没有记录"
    ),
    "a rank failed": "一个 rank 失败",
    "its time limit was reached, and the job scheduler ended it": "达到时限,被作业调度器结束",
    "the job scheduler ended it for a job of higher priority": "作业调度器为更高优先级的作业结束了它",
    "the job scheduler ended it because a node failed": "一个节点故障,作业调度器结束了它",
    "it was ended by {signal}: native code crashed": "被 {signal} 终止:本机代码崩溃",
    "rank {rank} was ended by {signal}: native code crashed": "rank {rank} 被 {signal} 终止:本机代码崩溃",
    "it was killed by {signal}; who sent it is not recorded": "被 {signal} 终止;发送者没有记录",
    "rank {rank} was killed by {signal}; who sent it is not recorded": "rank {rank} 被 {signal} 终止;发送者没有记录",
    "it ended and its exit status was not recorded": "已结束,退出状态没有记录",
    "it ended with exit code {code}; the log names no cause": "以退出码 {code} 结束;日志没有说明原因",
    "rank {rank} ended with exit code {code}; the log names no cause": (
        "rank {rank} 以退出码 {code} 结束;日志没有说明原因"
    ),
    "a command was not found or cannot be executed (exit {code})": "命令未找到或无法执行(退出码 {code})",
    # advice
    "`vlad resume` starts it again, from a checkpoint where there is one": "`vlad resume` 重新启动,有检查点则从其继续",
    "lower batch_size and raise grad_accumulation_steps by the same factor (the effective batch stays), "
    "or free the GPU: `nvidia-smi` shows who else holds its memory": (
        "减小 batch_size 并同倍增大 grad_accumulation_steps(有效批量不变),或释放 GPU:`nvidia-smi` 显示谁占用显存"
    ),
    "lower num_workers or shuffle_buffer_size, or run on a host (or in a container) with more memory": (
        "减小 num_workers 或 shuffle_buffer_size,或换内存更大的主机(或容器)"
    ),
    "free space or lower keep_checkpoints": "释放空间或减小 keep_checkpoints",
    "make space (`df` shows where)": "腾出空间(`df` 显示位置)",
    "the environment of --python lacks it: install it there, or choose another with --python": (
        "--python 的环境中没有它:在那里安装,或用 --python 另选环境"
    ),
    "versions of this environment do not fit each other: install the project's extras anew with its constraints": (
        "此环境中的版本互不相符:按项目的版本约束重新安装"
    ),
    "check the path; `vlad show RUN` and `vlad config RUN` tell what it was started with": (
        "检查路径;`vlad show RUN` 和 `vlad config RUN` 显示启动参数"
    ),
    "check vla_path; behind a mirror set HF_ENDPOINT": "检查 vla_path;使用镜像时设置 HF_ENDPOINT",
    "correct the file at the place that the error names": "在错误指出的位置改正文件",
    "correct the value and start again; `vlad config RUN` shows where each one came from": (
        "改正该值后重新启动;`vlad config RUN` 显示每个值的来源"
    ),
    "resume with the settings that it was saved with (lora_rank, vla_path), or from another checkpoint": (
        "用保存时的设置(lora_rank、vla_path)继续,或换一个检查点"
    ),
    "lower learning_rate, raise lr_warmup_steps, or use bf16; restarting alone would repeat it": (
        "减小 learning_rate,增大 lr_warmup_steps,或使用 bf16;仅重启会重现"
    ),
    "look at `nvidia-smi -q -d ECC` and the kernel's log; the card may need a reset or replacement": (
        "查看 `nvidia-smi -q -d ECC` 和内核日志;该卡可能需要重置或更换"
    ),
    "`vlad doctor` shows its health; a card that does it again needs a reset or a repair": (
        "`vlad doctor` 显示其健康状况;再次出现则需重置或维修"
    ),
    "often the host's memory or /dev/shm ran out: lower num_workers, look at `dmesg` and `df /dev/shm`": (
        "多为主机内存或 /dev/shm 耗尽:减小 num_workers,查看 `dmesg` 和 `df /dev/shm`"
    ),
    "look for what held the other rank up; `vlad logs RUN` shows its last lines": (
        "查找另一个 rank 停滞的原因;`vlad logs RUN` 显示其最后几行"
    ),
    "the other rank ended first; this is a consequence, not the cause": "另一个 rank 先结束;这是后果,不是原因",
    "its last lines are quoted; `vlad logs RUN` shows more": "已引用最后几行;`vlad logs RUN` 显示更多",
    "look at the last lines of the log; SIGBUS often means that /dev/shm is full": (
        "查看日志最后几行;SIGBUS 往往表示 /dev/shm 已满"
    ),
    "the traceback in the log shows where; a restart may repeat it": "日志中的回溯显示位置;重启可能重现",
    "check PATH and the file's permissions": "检查 PATH 和文件权限",
    "an administrator, a job scheduler or the kernel's out-of-memory killer may have (see `dmesg`)": (
        "可能是管理员、作业调度器或内核的内存不足终止(见 `dmesg`)"
    ),
    "an administrator or a job scheduler may have: the kernel's log has no kill for lack of memory": (
        "可能是管理员或作业调度器:内核日志中没有内存不足的终止"
    ),
    "both of its guardians were killed at once": "两个守护进程同时被终止",
    "the stacks show where each rank waits": "调用栈显示每个 rank 等待的位置",
    "no stack could be read: install py-spy, or call vlad.report.answer_stack_requests() in the program; a silence "
    "that is no hang wants a longer --hang-after": (
        "无法读取调用栈:安装 py-spy,或在程序中调用 vlad.report.answer_stack_requests();若并非卡住,请加大 --hang-after"
    ),
}
