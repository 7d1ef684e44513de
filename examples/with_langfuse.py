"""The Langfuse SDK, pointed at agentgauge by LANGFUSE_BASE_URL.

Install and run:

    pip install 'langfuse>=5,<6' 'openai>=3,<4'
    python examples/offline.py python examples/with_langfuse.py
"""

from langfuse import get_client, observe
from langfuse.openai import OpenAI

client = OpenAI()


@observe(as_type="tool")
def weather(city: str) -> str:
    """The weather in a city."""
    return f"sunny in {city}"


def chat(question: str) -> str | None:
    """What the model answers."""
    messages = [{"role": "user", "content": question}]
    return client.chat.completions.create(model="gpt-4o-mini", messages=messages).choices[0].message.content


@observe(as_type="agent", name="weather")
def answer(question: str) -> str | None:
    """An agent's run: two calls of the model, and a tool between them."""
    chat(question)
    return chat(f"Say this nicely: {weather('Paris')}")


print(answer("What is the weather in Paris?"))
get_client().flush()  # sends what is waiting
