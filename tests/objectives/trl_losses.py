"""A step of TRL's trainers without an update, run where TRL is installed: prints loss, gradient norm and rewards.

python trl_losses.py sft|dpo MODEL REFERENCE RECORDS OPTIONS
"""

import json
import sys

import datasets
from transformers import AutoModelForCausalLM, AutoTokenizer
from trl import DPOConfig, DPOTrainer, SFTConfig, SFTTrainer

kind, model, reference, records, options = sys.argv[1:]
rows = json.loads(records)
common = {
    "output_dir": "trl", "per_device_train_batch_size": len(rows), "max_steps": 1, "learning_rate": 0.0,
    "max_length": None, "max_grad_norm": 1e9, "report_to": "none", "use_cpu": True, "bf16": False,
    "save_strategy": "no", "logging_steps": 1, "gradient_checkpointing": False, **json.loads(options),
}  # fmt: skip


def answer(text: str) -> list[dict[str, str]]:
    return [{"role": "assistant", "content": text}]


def load(path: str) -> AutoModelForCausalLM:
    return AutoModelForCausalLM.from_pretrained(path, dtype="float32")


tokenizer = AutoTokenizer.from_pretrained(model)
asked = [{"prompt": [{"role": "user", "content": row["prompt"]}]} for row in rows]
if kind == "sft":
    table = [one | {"completion": answer(row["chosen"])} for one, row in zip(asked, rows, strict=True)]
    trainer = SFTTrainer(
        model=load(model), args=SFTConfig(**common), processing_class=tokenizer,
        train_dataset=datasets.Dataset.from_list(table),
    )  # fmt: skip
else:
    table = [
        one | {"chosen": answer(row["chosen"]), "rejected": answer(row["rejected"])}
        for one, row in zip(asked, rows, strict=True)
    ]
    trainer = DPOTrainer(
        model=load(model), ref_model=load(reference), args=DPOConfig(**common), processing_class=tokenizer,
        train_dataset=datasets.Dataset.from_list(table),
    )  # fmt: skip
trainer.train()
print("RESULT", json.dumps(trainer.state.log_history[0]))
